"""Kill a search 10 times at random moments with SIGKILL, start it again, and compare it with an undisturbed one.

Prints a line for each kill, and fails unless points, scores, front and trained trials are those of the undisturbed
search: python tests/faults/kill_search.py [--kills 10] [--seed 0]
"""

import argparse
import random
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd

from studies import StoreError, load
from studies.study_search import search

STUDY = """
name: killed
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 2
grid: {lr: {decades: 2, points: 3}, weight_decay: [0]}
optimizers: {adamw: {lr: 1e-2}, sgd: {lr: 0.1}, ada2ms: {lr: 1e-2}}
search: {optimizer: ada2ms, space: {mixing: {low: 0, high: 1}}, trials: 12, batch: 4, confirm: 2}
"""


def start(folder: Path, out: str) -> BaseProcess:
    """Begin the search, or go on with it, in a process of its own; forked, so that nothing is imported again."""
    options = {"out": folder / out, "workers": 0, "engine": "fused"}
    process = get_context("fork").Process(target=search, args=(folder / "killed.yaml",), kwargs=options)
    process.start()
    return process


def finish(folder: Path, out: str) -> None:
    process = start(folder, out)
    process.join()
    if process.exitcode:
        raise SystemExit(f"{out}: exit code {process.exitcode}")


def rows(folder: Path) -> pd.DataFrame:
    try:
        return load(folder)
    except StoreError:
        return pd.DataFrame()


def stored_parts(folder: Path) -> int:
    """Return how many rows all parts have; a trial that was trained twice counts twice."""
    return sum(len(pd.read_parquet(part)) for part in (folder / "rows").glob("*.parquet"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "killed.yaml").write_text(STUDY)
        finish(folder, "undisturbed")
        whole = len(rows(folder / "undisturbed"))
        print(f"undisturbed: {whole} trials", flush=True)
        for kill in range(given.kills):
            # somewhere in the next tenth of the trials, and up to a second later: also between trials
            until = len(rows(folder / "killed")) + chance.randint(0, whole // given.kills)
            process = start(folder, "killed")
            while process.is_alive() and len(rows(folder / "killed")) < until:
                time.sleep(0.05)
            process.join(chance.uniform(0, 1))
            process.kill()
            process.join()
            print(f"kill {kill + 1}: {len(rows(folder / 'killed'))} trials stored", flush=True)
        finish(folder, "killed")
        compare(folder / "undisturbed", folder / "killed")


def compare(one: Path, other: Path) -> None:
    for name in ("points", "front", "confirmed"):
        tables = [pd.read_csv(folder / f"search/{name}.csv") for folder in (one, other)]
        pd.testing.assert_frame_equal(*tables)
        print(f"{name}: {len(tables[0])} rows, equal")
    trained = [rows(folder).drop(columns=["wall_seconds", "worker"]) for folder in (one, other)]
    pd.testing.assert_frame_equal(*trained)
    counts = [stored_parts(folder) for folder in (one, other)]
    print(f"trials trained: {counts[0]} undisturbed, {counts[1]} with kills")
    if counts[0] != counts[1]:
        raise SystemExit("some trials were trained twice")


if __name__ == "__main__":
    main()
