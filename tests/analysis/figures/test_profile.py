"""Performance profiles are steps, at the table's numbers."""

import numpy as np
import pandas as pd

from analysis.figures.profile import profile_curves
from analysis.metrics.performance_profile import performance_profile


def test_profiles_are_steps(rows):
    parts = [
        rows({(0.1, 0.0): [error]}, label=label, task=task)
        for task, errors in (("a", (0.09, 0.19)), ("b", (0.29, 0.29)))
        for label, error in zip(("adamw", "sgd"), errors, strict=True)
    ]
    profile = performance_profile(pd.concat(parts, ignore_index=True))
    ax = profile_curves(profile, {"adamw": "adamw", "sgd": "sgd"})
    adamw, sgd = ax.lines
    np.testing.assert_allclose(adamw.get_ydata(), 1)
    np.testing.assert_allclose(sgd.get_xydata(), [[1, 0.5], [2, 1], [4, 1]])
    assert sgd.get_drawstyle() == "steps-post"
