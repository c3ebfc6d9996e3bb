"""Small sensitivity surfaces made of text: three characters for each cell, in colour where the terminal has it."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex
from rich.text import Text

from analysis import errors
from analysis.figures.styles import COLOURS
from analysis.task_metric import ERROR, by_error, task_metrics
from analysis.trials import with_significant

MAX_LINES = 12
MISSING, DIVERGED, FAILED = " ··", " xx", " !!"


@dataclass(frozen=True)
class Minimap:
    """The cells of one label: lines by gradient scale and weight decay, columns by learning rate.

    Attributes:
        error: Mean validation error over the seeds that are done, or by another metric the share that is lost of
            what the best cell learned; NaN where there is none.
        words: The three characters of each cell.
    """

    error: pd.DataFrame
    words: pd.DataFrame


def minimaps(rows: pd.DataFrame, planned: pd.DataFrame) -> dict[str, Minimap]:
    """Return the surface of each label as far as it is known.

    Args:
        rows: As ``analysis.REQUIRED`` describes them.
        planned: The planned cells, with the columns label, lr, weight_decay and grad_scale. A label of more than
            ``MAX_LINES`` pairs of gradient scale and weight decay shows only those at gradient scale 1.
    """
    keys = ["label", "grad_scale", "weight_decay", "lr"]
    runs = errors(rows[rows["role"] != "confirm"])
    cells = runs.groupby(keys, dropna=False)[["val_error", "diverged", "failed"]].mean()
    if not by_error(task_metrics(runs)):
        best, nothing = cells["val_error"].min(), runs["chance_error"].max()
        share = (cells["val_error"] - best) / (nothing - best)
        cells["val_error"] = (
            share if nothing > best else cells["val_error"].where(cells["val_error"].isna(), 1.0)
        )
    wanted = pd.MultiIndex.from_frame(with_significant(planned[keys]).drop_duplicates())
    cells = cells.reindex(cells.index.union(wanted))
    maps = {}
    for label in dict.fromkeys([*planned["label"], *runs["label"]]):
        own = cells.xs(label)
        rates = own.index.get_level_values("lr").nunique()
        if len(own) > MAX_LINES * rates and 1.0 in own.index.get_level_values("grad_scale"):
            own = own.loc[[1.0]]
        words = [
            _word(error, diverged, failed)
            for error, diverged, failed in own[["val_error", "diverged", "failed"]].itertuples(index=False)
        ]
        shown = pd.Series(words, index=own.index, dtype="str")
        maps[label] = Minimap(own["val_error"].unstack("lr"), shown.unstack("lr", fill_value="   "))
    return maps


def shown_values(rows: pd.DataFrame) -> str:
    """Say what the numbers of the surfaces are."""
    metrics = {str(metric) for metric in task_metrics(rows).values() if metric != ERROR}
    if not metrics:
        return "validation error in %"
    return f"validation {', '.join(sorted(metrics))}: % of the way from the best cell to knowing nothing"


def minimap(label: str, one: Minimap) -> Text:
    """Return a surface as text: its label, a line for each gradient scale and weight decay, the ends of lr below."""
    colours = mpl.colormaps[COLOURS]
    text = Text(f"{label}\n", style="bold")
    heads = [f"c={scale:g} wd={decay:g} " for scale, decay in one.words.index]
    width = max(map(len, heads))
    for head, words, values in zip(heads, one.words.to_numpy(), one.error.to_numpy(), strict=True):
        text.append(head.rjust(width), style="not bold dim")
        for word, value in zip(words, values, strict=True):
            known = word.strip().isdigit()
            paint = f"not bold white on {to_hex(colours(1 - value))}" if known else "not bold dim"
            text.append(word, style=paint.replace("white", "black") if known and value < 0.4 else paint)
        text.append("\n")
    rates = one.words.columns
    text.append(f"{'lr':>{width - 1}} {rates[0]:.2g} to {rates[-1]:.2g}\n", style="not bold dim")
    return text


def _word(error: float, diverged: float, failed: float) -> str:
    if pd.isna(diverged):
        return MISSING
    if failed == 1:
        return FAILED
    if diverged + failed == 1:
        return DIVERGED
    return f"{min(99, round(100 * error)):3}"
