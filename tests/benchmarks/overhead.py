"""What a trial costs apart from its training: thousands of trials of one step of one parameter, with Ray.

    python tests/benchmarks/overhead.py [--trials 10000] [--workers 2] [--json]

Time is counted from the first stored trial to the last, which leaves out the start of Ray, and divided by the trials
stored in between; the driver's resident memory is read at each tenth of the way. Trials run on the sequential engine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from measure import report
from torch import nn

from robustness.tasks import Split, Task
from studies.planning.plan import plan
from studies.planning.workers import workplace
from studies.spec.study import StudySpec
from studies.store.rows import Finished
from studies.store.store import Store
from studies.sweep.supervision import resident_bytes
from studies.sweep.sweep import sweep


class Constant(nn.Module):
    """One parameter, whatever the input."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the parameter once per example."""
        return self.value.expand(len(inputs))


def squared(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean squared difference."""
    return (outputs - targets).square().mean()


def nothing() -> Task:
    """One example, one parameter."""
    split = Split(torch.zeros(1, 1), torch.zeros(1))
    return Task("nothing", split, split, split, Constant, squared, correct=None)


def study(trials: int) -> StudySpec:
    """Return a study of so many trials of one step."""
    return StudySpec(
        name="overhead",
        task="overhead:nothing",
        budget={"epochs": 1, "batch_size": 1},
        seeds=trials // 100,
        grid={"lr": {"decades": 2, "points": 100}, "weight_decay": [0]},
        optimizers={"sgd": {"lr": 0.01}},
    )


def measure(trials: int, workers: int) -> list[dict[str, Any]]:
    """Run the study and return a row for each tenth of it."""
    sys.path.insert(0, str(Path(__file__).parent))
    work = plan(study(trials), set(), engine="sequential")
    samples: list[tuple[int, float, int]] = []
    count, trained = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        store.write_study(work.spec.to_yaml())

        def on_finished(finished: Finished) -> None:
            nonlocal count, trained
            store.append(finished.rows, finished.curves)
            count += len(finished.rows)
            trained += sum(row["wall_seconds"] for row in finished.rows)
            samples.append((count, time.perf_counter(), resident_bytes()))

        started = time.perf_counter()
        sweep(work, workplace(workers, None, "cpu"), on_finished)
        everything = time.perf_counter() - started
    first = samples[0]
    rows = []
    for tenth in range(1, 11):
        done, at, held = next(sample for sample in samples if sample[0] >= tenth * trials // 10)
        per_trial = 1e3 * (at - first[1]) / max(done - first[0], 1)
        rows.append({"trials": done, "ms a trial": per_trial, "driver MB": held / 1e6})
    whole = 1e3 * everything / count
    rows.append({"trials": f"{count} with start-up", "ms a trial": whole, "driver MB": held / 1e6})
    alone = 1e3 * trained / count / workers
    rows.append({"trials": "training itself", "ms a trial": alone, "driver MB": held / 1e6})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.trials, arguments.workers)
    report(f"{arguments.trials} trials of nothing, {arguments.workers} workers", rows, arguments.json)


if __name__ == "__main__":
    main()
