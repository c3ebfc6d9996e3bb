"""Bring the rows of the main studies into this folder, and what follows from them.

    python studies/published/publish.py runs

takes ``runs/main-<workload>`` and ``runs/main-search-<workload>``, as the presets of that name leave them, and writes

- ``<workload>``: a study's folder with all rows in one part, its study file and the record of its runs;
- ``search-<workload>``: the same of a search, and its tables;
- ``suite``: tables, figures and the page of all workloads together, as ``robustness report`` writes them, and
  ``verdicts.txt``: the declared verdict and the secondary ones.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pyarrow as pa

import analysis
from studies.report import report
from studies.results import Store
from studies.schema import ROW_SCHEMA

HERE = Path(__file__).parent
WORKLOADS = ("digits-mlp", "digits-cnn", "char-lm", "char-lstm", "cifar10-jpeg-mlp", "cifar10-jpeg-resnet8")
SEARCHES = ("digits-mlp", "digits-cnn", "cifar10-jpeg-mlp")
REFERENCES = ("adamw", "sgd")
KEPT = ("study.yaml", "task.json", "provenance.json")
CANDIDATE = "ada2ms(mixing=0.5)"


def publish(source: Path, target: Path) -> None:
    """Copy a study's folder with its rows in one part, without learning curves and what follows from rows."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.copy(source / name, target / name)
    rows = pa.Table.from_pandas(Store(source).rows(), schema=ROW_SCHEMA, preserve_index=False)
    store = Store(target)
    with store.driving():
        store.append(rows.to_pylist(), [])
    if (source / "search").is_dir():
        shutil.copytree(source / "search", target / "search", ignore=shutil.ignore_patterns("*.pdf", "*.log"))


def verdicts(folders: list[Path]) -> str:
    """Return the declared verdict, and the secondary ones with Holm's correction over all of them."""
    rows = read(folders)
    others = sorted(set(rows["label"]) - {*REFERENCES, CANDIDATE})
    secondary = analysis.verdicts(rows, candidates=[CANDIDATE, *others])
    declared = analysis.verdict(rows, candidate=CANDIDATE)
    parts = [
        "Declared",
        declared.summary(),
        "Secondary, with Holm's correction over all candidates and parts",
    ]
    return "\n\n".join([*parts, *(one.summary() for one in secondary.values())]) + "\n"


def read(folders: list[Path]) -> pa.Table:
    """Return the rows of some folders that their studies ask for."""
    import pandas as pd

    from studies.asked import read_asked

    return pd.concat([read_asked(folder).rows for folder in folders], ignore_index=True)


def main(runs: Path) -> None:
    """Publish what lies in ``runs``."""
    for name in WORKLOADS:
        publish(runs / f"main-{name}", HERE / name)
    for name in SEARCHES:
        if (runs / f"main-search-{name}").is_dir():
            publish(runs / f"main-search-{name}", HERE / f"search-{name}")
    suite, folders = HERE / "suite", [HERE / name for name in WORKLOADS]
    shutil.rmtree(suite, ignore_errors=True)
    report(*folders, out=suite)
    (suite / "verdicts.txt").write_text(verdicts(folders))
    print((suite / "verdicts.txt").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
