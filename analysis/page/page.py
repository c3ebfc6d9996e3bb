"""The report of a study as one HTML file that needs nothing else: text, figures, tables, a surface explorer.

Everything that a study names is escaped, and the page's policy forbids every request. The figures of the explorer
are drawn by plotly.js (https://plotly.com/javascript/), which the page carries.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import jinja2
import pandas as pd
from matplotlib.figure import Figure
from plotly.offline import get_plotlyjs

from analysis.figures.theme import use_theme
from analysis.labels import FOOTNOTE, any_reimplemented
from analysis.page.curves import packed_curves
from analysis.page.figures import PageFigures
from analysis.page.packing import deflated
from analysis.page.tables import page_tables
from analysis.page.trials import explored, packed_trials
from analysis.workloads import by_workload

_ASSETS = files("analysis.page") / "assets"


def page(
    trials: pd.DataFrame,
    *,
    title: str,
    tables: Mapping[str, pd.DataFrame],
    verdict: Sequence[str] = (),
    curves: pd.DataFrame | None = None,
    hyperparameters: Sequence[str] = (),
    figures: PageFigures | None = None,
    provenance: Sequence[Mapping[str, str]] = (),
    left_out: Sequence[str] = (),
) -> str:
    """Return the report as HTML.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them. The explorer also shows those of
            `analysis.page.trials.OTHERS` that they have, and by trial_id their learning curves.
        title: The page's title.
        tables: Output of `analysis.tables`, and `analysis.summary` as 'summary'.
        verdict: A text for each candidate, its first line the conclusion; none: the study declares no verdict.
        curves: Columns trial_id, epoch, split ('train', 'val', 'test'), loss, accuracy and metric (see
            `analysis.page.curves.packed_curves`).
        hyperparameters: Columns that may be axes of a surface beside lr, weight_decay and grad_scale.
        figures: The figures beside the explorer; None: there are none.
        provenance: Names and values, a mapping for each study; values of several lines are folded.
        left_out: Lines that say which tables are left out, and why.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    trials = by_workload(trials)
    rows = explored(trials, hyperparameters)
    figures = figures or PageFigures()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((_ASSETS / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        subtitle=_subtitle(trials),
        verdict=[text.splitlines() for text in verdict],
        verdict_figures=_pictures(figures.verdict),
        figures=_pictures(figures.others),
        tables=page_tables(tables),
        left_out=left_out,
        footnote=FOOTNOTE if any_reimplemented(trials["optimizer"]) else "",
        provenance=provenance,
        style=_trusted((_ASSETS / "page.css").read_text(encoding="utf-8")),
        imports=_trusted(_import_map()),
        trials_data=packed_trials(rows, hyperparameters),
        curves_data="" if curves is None else packed_curves(rows, curves, hyperparameters),
        library=deflated(get_plotlyjs().encode()),
    )


def _subtitle(trials: pd.DataFrame) -> str:
    counts = {
        "trial": len(trials),
        "label": trials["label"].nunique(),
        "seed": trials["seed"].nunique(),
    }
    texts = [f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    return f"{', '.join(sorted(trials['task'].unique()))}: {', '.join(texts)}"


def _trusted(text: str) -> str:
    return jinja2.utils.markupsafe.Markup(text)


def _import_map() -> str:
    """Return the page's modules, so that one may import another by its name without a request."""
    modules = {
        f"report/{path.name.removesuffix('.js')}": f"data:text/javascript;base64,{_base64(path.read_bytes())}"
        for path in sorted((_ASSETS / "js").iterdir(), key=lambda path: path.name)
        if path.name.endswith(".js")
    }
    return json.dumps({"imports": modules})


def _pictures(figures: Mapping[str, Figure]) -> list[dict[str, str]]:
    return [{"caption": caption, "svg": _svg(figure)} for caption, figure in figures.items()]


def _svg(figure: Figure) -> str:
    file = io.StringIO()
    with use_theme():
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _base64(file.getvalue().encode())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
