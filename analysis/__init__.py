"""What the rows of a study say: tables, statistics and figures.

Functions take a DataFrame with one row per training run and return a DataFrame or a figure. Nothing here
needs a deep-learning library, and matplotlib is loaded only when a figure is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Modules that share their function's name are imported here and now: a lazy attribute would yield the module
# or the function, depending on who imported what first.
from analysis.distortion import distortion, distortion_grid
from analysis.escape import draw_escape, escape_table, escape_times, kramers_slope
from analysis.selection import selected_cells, test_error
from analysis.sensitivity import mean_sensitivity, sensitivity
from analysis.stability import stability, unstable_share
from analysis.summary import summary
from analysis.surfaces import surface
from analysis.trials import REQUIRED, errors
from analysis.width import width

if TYPE_CHECKING:
    from analysis.heatmaps import surface_grid
    from analysis.theme import save_figure, set_theme, use_theme

__all__ = [
    "REQUIRED",
    "distortion",
    "distortion_grid",
    "draw_escape",
    "errors",
    "escape_table",
    "escape_times",
    "kramers_slope",
    "mean_sensitivity",
    "save_figure",
    "selected_cells",
    "sensitivity",
    "set_theme",
    "stability",
    "summary",
    "surface",
    "surface_grid",
    "test_error",
    "unstable_share",
    "use_theme",
    "width",
]

_FIGURES = {
    "surface_grid": "analysis.heatmaps",
    "save_figure": "analysis.theme",
    "set_theme": "analysis.theme",
    "use_theme": "analysis.theme",
}


def __getattr__(name: str) -> Any:
    if name in _FIGURES:
        return getattr(import_module(_FIGURES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
