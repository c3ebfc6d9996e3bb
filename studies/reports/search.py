"""The report of a search: its tables and figures, written into its study's folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure, SubFigure

from analysis.figures.exponent_plane import plane
from analysis.figures.search import front, hypervolume_curve, response
from analysis.figures.theme import save_figure, use_theme
from analysis.labels import DAGGER, FOOTNOTE, any_reimplemented
from studies.searches.result import SearchResult
from studies.spec.search import Range
from studies.store.layout import SEARCH_FOLDER
from studies.store.store import Store


def write_search(result: SearchResult, store: Store) -> SearchResult:
    """Write the tables and figures of a search; return its result with the names of the files."""
    tables = {
        "points": result.points,
        "front": result.front,
        "references": result.references,
        "confirmed": result.confirmed,
        "importance": result.importance,
    }
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name, table in tables.items():
            if len(table):
                table.to_csv(scratch / f"{name}.csv", index=False)
        with use_theme():
            for name, figure in _figures(result):
                save_figure(figure, scratch / name)
        names = sorted(path.name for path in scratch.iterdir())
        for name in names:
            store.write_file(f"{SEARCH_FOLDER}/{name}", (scratch / name).read_bytes())
    result.files = [f"{SEARCH_FOLDER}/{name}" for name in names]
    result.location = store.location
    return result


def _figures(result: SearchResult) -> Iterator[tuple[str, Figure]]:
    """Yield every figure with its name."""
    points, search = result.points, result.search
    if points.empty:
        return
    numeric = [name for name, axis in search.space.items() if isinstance(axis, Range) or _numbers(axis)]
    colour = numeric[0] if len(search.space) == 1 and numeric else None
    for x, y in combinations(search.objectives, 2):
        name = "front" if len(search.objectives) == 2 else f"front-{x}-{y}"
        drawn = front(points, x=x, y=y, colour=colour, references=result.references)
        yield name, _noted(drawn.figure, result)
    for name in numeric:
        yield f"response-{name}", _noted(_responses(result, name), result)
    yield "hypervolume", _noted(hypervolume_curve(result.history).figure, result)
    if {"p", "q"} <= set(numeric):
        for score in search.objectives:
            yield f"plane-{score}", _noted(plane(points, score=score).figure, result, always=True)


def _responses(result: SearchResult, name: str) -> Figure:
    """Draw the response of every objective to one hyperparameter, one above the other."""
    scores, axis = result.search.objectives, result.search.space[name]
    figure = Figure(figsize=(3.6, 0.5 + 1.9 * len(scores)), layout="constrained")
    axes = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
    for ax, score in zip(axes, scores, strict=True):
        response(
            result.points.drop_duplicates(list(result.search.space)),
            x=name,
            y=score,
            log=isinstance(axis, Range) and axis.log,
            joined=len(result.search.space) == 1,
            references=result.references,
            ax=ax,
        )
    for ax in axes[:-1]:
        ax.set_xlabel("")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize="small", frameon=False)
    return figure


def _noted(figure: Figure | SubFigure, result: SearchResult, *, always: bool = False) -> Figure:
    """Write below a figure that its Ada2MS is a reimplementation, if it shows one."""
    assert isinstance(figure, Figure)
    labels = pd.concat([result.points["label"], result.references["label"]])
    if always or any_reimplemented(labels):
        figure.supxlabel(f"{DAGGER} {FOOTNOTE}" if always else FOOTNOTE, fontsize="x-small", color="0.35")
    return figure


def _numbers(values: tuple[object, ...]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
