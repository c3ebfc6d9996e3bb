"""The report of a study as one HTML file that needs nothing else: words, figures, tables, a surface explorer.

Everything a study names is escaped, and the page forbids itself every request. The figures of the explorer are
drawn by plotly.js (https://plotly.com/javascript/), which the page carries.
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
from analysis.labels import FOOTNOTE, REIMPLEMENTED
from analysis.page.curves import packed_curves
from analysis.page.figures import VERDICT
from analysis.page.packing import deflated
from analysis.page.tables import page_tables
from analysis.page.trials import explored, packed_trials

_ASSETS = files("analysis.page") / "assets"


def page(
    trials: pd.DataFrame,
    *,
    title: str,
    tables: Mapping[str, pd.DataFrame],
    verdict: Sequence[str] = (),
    curves: pd.DataFrame | None = None,
    hyperparameters: Sequence[str] = (),
    figures: Mapping[str, Figure] | None = None,
    provenance: Sequence[Mapping[str, str]] = (),
) -> str:
    """Return the report as HTML.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them. With them the explorer shows what of
            `analysis.page.trials.OTHERS` they have, and by trial_id their learning curves.
        title: The page's title.
        tables: Output of `analysis.tables`, and `analysis.summary` as 'summary'.
        verdict: A text for each candidate, its first line the conclusion; none: the study declares no verdict.
        curves: Columns trial_id, epoch, split ('train', 'val', 'test'), loss and accuracy.
        hyperparameters: Columns that may be axes of a surface beside lr, weight_decay and grad_scale.
        figures: Figures by caption; 'Verdict: …' stands beside the verdict.
        provenance: Names and values, a mapping for each study; what has several lines is folded.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    rows = explored(trials)
    drawn = [{"caption": caption, "svg": _svg(figure)} for caption, figure in (figures or {}).items()]
    ours = trials["optimizer"].astype("str").str.startswith(REIMPLEMENTED).any()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((_ASSETS / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        subtitle=_subtitle(trials),
        verdict=[text.splitlines() for text in verdict],
        verdict_figures=[figure for figure in drawn if figure["caption"].startswith(VERDICT)],
        figures=[figure for figure in drawn if not figure["caption"].startswith(VERDICT)],
        tables=page_tables(tables),
        footnote=FOOTNOTE if ours else "",
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
    said = [f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    return f"{', '.join(sorted(trials['task'].unique()))}: {', '.join(said)}"


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


def _svg(figure: Figure) -> str:
    written = io.StringIO()
    with use_theme():
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _base64(written.getvalue().encode())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
