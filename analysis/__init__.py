"""What the rows of a study say: tables, statistics and figures.

Functions take a DataFrame with one row per training run and return a DataFrame or a figure. Nothing here
needs a deep-learning library, and matplotlib is loaded only when a figure is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Modules that share their function's name are imported here and now: a lazy attribute would yield the module
# or the function, depending on who imported what first.
from analysis.bits import bits_per_character
from analysis.distortion import distortion, distortion_grid
from analysis.endpoints import endpoints
from analysis.escape import draw_escape, escape_table, escape_times, kramers_slope
from analysis.margins import Margins
from analysis.selection import selected_cells, test_error, test_error_by_seed
from analysis.sensitivity import mean_sensitivity, sensitivity
from analysis.stability import stability, unstable_share
from analysis.summary import summary
from analysis.surfaces import surface
from analysis.transfer import mean_transfer_regret, transfer_regret
from analysis.trials import REQUIRED, errors
from analysis.validity import PROBLEMS, check
from analysis.verdict import Verdict, verdict, verdicts
from analysis.width import width

if TYPE_CHECKING:
    from analysis.budgets import best_of_k, tunability
    from analysis.comparisons import wilcoxon_holm
    from analysis.crosstask import cross_task_sensitivity
    from analysis.fronts import pareto
    from analysis.gap import generalization_gap
    from analysis.heatmaps import surface_grid
    from analysis.overview import tables
    from analysis.profiles import performance_profile
    from analysis.scale import scale_exponent
    from analysis.theme import save_figure, set_theme, use_theme
    from analysis.variance import variance_decomposition

__all__ = [
    "PROBLEMS",
    "REQUIRED",
    "Margins",
    "Verdict",
    "best_of_k",
    "bits_per_character",
    "check",
    "cross_task_sensitivity",
    "distortion",
    "distortion_grid",
    "draw_escape",
    "endpoints",
    "errors",
    "escape_table",
    "escape_times",
    "generalization_gap",
    "kramers_slope",
    "mean_sensitivity",
    "mean_transfer_regret",
    "pareto",
    "performance_profile",
    "save_figure",
    "scale_exponent",
    "selected_cells",
    "sensitivity",
    "set_theme",
    "stability",
    "summary",
    "surface",
    "surface_grid",
    "tables",
    "test_error",
    "test_error_by_seed",
    "transfer_regret",
    "tunability",
    "unstable_share",
    "use_theme",
    "variance_decomposition",
    "verdict",
    "verdicts",
    "width",
    "wilcoxon_holm",
]

_LAZY = {
    "best_of_k": "analysis.budgets",
    "cross_task_sensitivity": "analysis.crosstask",
    "generalization_gap": "analysis.gap",
    "pareto": "analysis.fronts",
    "performance_profile": "analysis.profiles",
    "save_figure": "analysis.theme",
    "scale_exponent": "analysis.scale",
    "set_theme": "analysis.theme",
    "surface_grid": "analysis.heatmaps",
    "tables": "analysis.overview",
    "tunability": "analysis.budgets",
    "use_theme": "analysis.theme",
    "variance_decomposition": "analysis.variance",
    "wilcoxon_holm": "analysis.comparisons",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
