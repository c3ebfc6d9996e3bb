"""What the fault scripts of the store share: a study of 6 trials, its table, and the report of the tries."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from studies import StudySpec, load, load_curves, run
from studies.store.store import Store

STUDY = """
name: tiny
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: [0.001, 0.01, 1.0e+20], weight_decay: [0]}
optimizers: {adamw: {}, sgd: {}}
"""
INCIDENTAL = ["wall_seconds", "pack_id", "worker"]
"""Columns that say how long a trial took, and where: they may differ from run to run."""


def finish(folder: Path) -> pd.DataFrame:
    """Run the study in ``folder`` to its end and return its table without the ``INCIDENTAL`` columns."""
    run(StudySpec.from_text(STUDY, source="tiny.yaml"), out=folder, workers=0, engine="sequential")
    return table(folder)


def table(folder: Path) -> pd.DataFrame:
    """Return the stored rows without the ``INCIDENTAL`` columns."""
    return load(folder).drop(columns=INCIDENTAL)


def scatter(source: Path, folder: Path) -> None:
    """Store the study of ``source`` in ``folder``, each trial in a part of its own."""
    study, store = Store(source), Store(folder)
    store.write_study(study.read_study() or "")
    curves = load_curves(source)
    for row in load(source).astype(object).to_dict("records"):
        points = curves[curves["trial_id"] == row["trial_id"]].to_dict("records")
        store.append([{key: None if pd.isna(value) else value for key, value in row.items()}], points)


def check_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Raise AssertionError unless the two are the same to the last bit."""
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def tries(title: str, number: int, one: Callable[[int], str]) -> None:
    """Call ``one`` with 0, 1, …; print a line for each and a summary; exit with 1 if any of them raised."""
    failed = 0
    for index in range(number):
        try:
            line = one(index)
        except Exception as error:  # whatever goes wrong in one try, the others follow
            failed += 1
            line = f"FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        print(f"{title} {index + 1}/{number}: {line}", flush=True)
    print(f"{title}: {number - failed} of {number} held")
    sys.exit(1 if failed else 0)
