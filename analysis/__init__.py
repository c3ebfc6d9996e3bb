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
    from analysis.ablations import ablation_figure, find_ablations
    from analysis.budgets import best_of_k, tunability
    from analysis.comparisons import wilcoxon_holm
    from analysis.crosstask import cross_task_sensitivity
    from analysis.curves import lr_curve, lr_curves
    from analysis.forests import forest, forest_rows
    from analysis.fronts import pareto
    from analysis.gallery import FIGURES, draw_figures
    from analysis.gap import generalization_gap
    from analysis.heatmaps import surface_grid
    from analysis.lines import best_of_k_curves, best_rate_lines, profile_curves
    from analysis.overview import tables
    from analysis.profiles import performance_profile
    from analysis.scale import best_rates, scale_exponent
    from analysis.styles import shown_names
    from analysis.theme import save_figure, set_theme, use_theme
    from analysis.tradeoffs import tradeoff
    from analysis.variance import variance_decomposition

__all__ = [
    "FIGURES",
    "PROBLEMS",
    "REQUIRED",
    "Margins",
    "Verdict",
    "ablation_figure",
    "best_of_k",
    "best_of_k_curves",
    "best_rate_lines",
    "best_rates",
    "bits_per_character",
    "check",
    "cross_task_sensitivity",
    "distortion",
    "distortion_grid",
    "draw_escape",
    "draw_figures",
    "endpoints",
    "errors",
    "escape_table",
    "escape_times",
    "find_ablations",
    "forest",
    "forest_rows",
    "generalization_gap",
    "kramers_slope",
    "lr_curve",
    "lr_curves",
    "mean_sensitivity",
    "mean_transfer_regret",
    "pareto",
    "performance_profile",
    "profile_curves",
    "save_figure",
    "scale_exponent",
    "selected_cells",
    "sensitivity",
    "set_theme",
    "shown_names",
    "stability",
    "summary",
    "surface",
    "surface_grid",
    "tables",
    "test_error",
    "test_error_by_seed",
    "tradeoff",
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
    "FIGURES": "analysis.gallery",
    "ablation_figure": "analysis.ablations",
    "best_of_k": "analysis.budgets",
    "best_of_k_curves": "analysis.lines",
    "best_rate_lines": "analysis.lines",
    "best_rates": "analysis.scale",
    "cross_task_sensitivity": "analysis.crosstask",
    "draw_figures": "analysis.gallery",
    "find_ablations": "analysis.ablations",
    "forest": "analysis.forests",
    "forest_rows": "analysis.forests",
    "generalization_gap": "analysis.gap",
    "lr_curve": "analysis.curves",
    "lr_curves": "analysis.curves",
    "pareto": "analysis.fronts",
    "performance_profile": "analysis.profiles",
    "profile_curves": "analysis.lines",
    "save_figure": "analysis.theme",
    "scale_exponent": "analysis.scale",
    "set_theme": "analysis.theme",
    "shown_names": "analysis.styles",
    "surface_grid": "analysis.heatmaps",
    "tables": "analysis.overview",
    "tradeoff": "analysis.tradeoffs",
    "tunability": "analysis.budgets",
    "use_theme": "analysis.theme",
    "variance_decomposition": "analysis.variance",
    "wilcoxon_holm": "analysis.comparisons",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
