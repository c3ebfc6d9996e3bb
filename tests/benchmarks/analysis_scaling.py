"""How long all tables of a large suite take, and how much memory, on one core.

    python tests/benchmarks/analysis_scaling.py [--rows 1000000] [--json FILE]

Synthetic rows: 5 workloads, 20 labels, 21 learning rates, 7 weight decays, 7 gradient scales, and as many seeds
as make up the rows; a tenth of the runs diverged, one in a thousand failed, so that no surface is balanced.
The time is that of `analysis.tables`; memory is the most the whole process held, the rows included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from pathlib import Path

SHAPE = {"task": 5, "label": 20, "grad_scale": 7, "lr": 21, "weight_decay": 7}


def suite(rows: int):
    """Return trials in a random order."""
    import numpy as np
    import pandas as pd

    cells = int(np.prod(list(SHAPE.values())))
    sizes = (*SHAPE.values(), max(2, round(rows / cells)))
    task, label, scale, lr, decay, seed = np.indices(sizes).reshape(len(sizes), -1)
    rng = np.random.default_rng(0)
    error = 0.1 + 0.002 * (lr - 10) ** 2 + rng.normal(0, 0.01, len(lr))
    accuracy = np.clip(1 - error, 0, 1)
    names = np.array(["adamw", "sgd", *(f"optimizer {i}" for i in range(SHAPE["label"] - 2))])
    labels = pd.Series(names[label], dtype="str")
    trials = pd.DataFrame({
        "task": pd.Series(np.array([f"task {i}" for i in range(SHAPE["task"])])[task], dtype="str"),
        "optimizer": labels, "label": labels, "lr": 10.0 ** (lr / 4 - 4), "grad_scale": 10.0 ** (scale - 3.0),
        "weight_decay": np.array([0.0, *10.0 ** np.arange(-6.0, 0)])[decay], "seed": seed, "role": "grid",
        "status": rng.choice(["completed", "diverged", "failed"], len(lr), p=[0.899, 0.1, 0.001]),
        "chance_accuracy": 0.1, "val_accuracy": accuracy, "test_accuracy": accuracy, "train_accuracy": 1.0,
    })  # fmt: skip
    return trials.sample(frac=1, random_state=0)


def main() -> None:
    """Time the import and the tables; print them, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    start = time.perf_counter()
    import analysis

    imported = time.perf_counter() - start
    trials = suite(options.rows)
    start, before = time.perf_counter(), time.process_time()
    made = analysis.tables(trials)
    seconds, busy = time.perf_counter() - start, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {
        "rows": len(trials), "import seconds": imported, "tables seconds": seconds,
        "tables processor seconds": busy, "peak bytes": peak,
        "table rows": {name: len(table) for name, table in made.items()},
        "python": platform.python_version(), "machine": platform.machine(),
    }  # fmt: skip
    print(
        f"{len(trials):,} rows: import {imported:.2f} s, tables {seconds:.1f} s ({busy:.1f} s of processor), "
        f"at most {peak / 1e9:.2f} GB"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
