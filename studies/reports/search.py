"""Tables and figures of a search, written into its study's folder."""

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


def write_search(found: SearchResult, store: Store) -> SearchResult:
    """Write the tables and the figures of a search; return it with the names of the files."""
    tables = {
        "points": found.points,
        "front": found.front,
        "references": found.references,
        "confirmed": found.confirmed,
        "importance": found.importance,
    }
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        for name, table in tables.items():
            if len(table):
                table.to_csv(made / f"{name}.csv", index=False)
        with use_theme():
            for name, figure in _figures(found):
                save_figure(figure, made / name)
        names = sorted(path.name for path in made.iterdir())
        for name in names:
            store.write_file(f"{SEARCH_FOLDER}/{name}", (made / name).read_bytes())
    found.files = [f"{SEARCH_FOLDER}/{name}" for name in names]
    found.location = store.location
    return found


def _figures(found: SearchResult) -> Iterator[tuple[str, Figure]]:
    """Yield every figure with its name."""
    points, search = found.points, found.search
    if points.empty:
        return
    numeric = [name for name, axis in search.space.items() if isinstance(axis, Range) or _numbers(axis)]
    colour = numeric[0] if len(search.space) == 1 and numeric else None
    for x, y in combinations(search.objectives, 2):
        name = "front" if len(search.objectives) == 2 else f"front-{x}-{y}"
        drawn = front(points, x=x, y=y, colour=colour, references=found.references)
        yield name, _noted(drawn.figure, found)
    for name in numeric:
        yield f"response-{name}", _noted(_responses(found, name), found)
    yield "hypervolume", _noted(hypervolume_curve(found.history).figure, found)
    if {"p", "q"} <= set(numeric):
        for score in search.objectives:
            yield f"plane-{score}", _noted(plane(points, score=score).figure, found, always=True)


def _responses(found: SearchResult, name: str) -> Figure:
    """Draw the response of every objective to one hyperparameter, one above the other."""
    scores, axis = found.search.objectives, found.search.space[name]
    figure = Figure(figsize=(3.6, 0.5 + 1.9 * len(scores)), layout="constrained")
    axes = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
    for ax, score in zip(axes, scores, strict=True):
        response(
            found.points.drop_duplicates(list(found.search.space)),
            x=name,
            y=score,
            log=isinstance(axis, Range) and axis.log,
            joined=len(found.search.space) == 1,
            references=found.references,
            ax=ax,
        )
    for ax in axes[:-1]:
        ax.set_xlabel("")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize="small", frameon=False)
    return figure


def _noted(figure: Figure | SubFigure, found: SearchResult, *, always: bool = False) -> Figure:
    """Say below a figure whose Ada2MS it shows."""
    assert isinstance(figure, Figure)
    labels = pd.concat([found.points["label"], found.references["label"]])
    if always or any_reimplemented(labels):
        figure.supxlabel(f"{DAGGER} {FOOTNOTE}" if always else FOOTNOTE, fontsize="x-small", color="0.35")
    return figure


def _numbers(values: tuple[object, ...]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
