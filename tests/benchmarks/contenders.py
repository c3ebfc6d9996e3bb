"""Ways to train a grid of AdamW trials, each in a fresh process: ``python contenders.py NAME JOB ANSWER``.

``JOB`` is a JSON file with ``task``, its ``options``, ``axes`` (what spans the grid), ``trials`` (those of its cells
that are to be trained), ``device``, ``workers`` and ``folder``. ``ANSWER`` is written as another, with ``finished``
(the clock at the end of each trial), ``accuracy`` (the mean on the test split, to see that all do the same) and
``note``.

Nothing heavy is imported before it is needed, since imports are part of what is timed.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

EPOCHS, BATCH_SIZE = 20, 64

Job = dict[str, Any]
Answer = dict[str, Any]


def stepper(task: Any, trial: dict[str, Any], device: str) -> tuple[Any, Callable[[Any, Any, float], None]]:
    """Return a model and a function that takes one training step of it, as fast as plain PyTorch goes.

    The function is called with inputs, targets and the learning rate as a multiple of its peak.
    """
    import torch

    torch.manual_seed(trial["seed"])
    model = task.model().to(device)
    if any(isinstance(module, torch.nn.Conv2d) for module in model.modules()):
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=trial["lr"], weight_decay=trial["weight_decay"], fused=True
    )
    group, scale = optimizer.param_groups[0], trial["grad_scale"]

    def step(inputs: Any, targets: Any, multiplier: float) -> None:
        group["lr"] = trial["lr"] * multiplier
        optimizer.zero_grad()
        loss = task.loss(model(inputs), targets)
        (loss if scale == 1 else loss * scale).backward()
        optimizer.step()

    return model, step


def epochs(task: Any, trial: dict[str, Any], device: str) -> Iterator[dict[str, float]]:
    """Train a trial by hand; yield loss and accuracy of all splits at initialization and after each epoch."""
    import torch

    model, step = stepper(task, trial, device)
    steps = len(task.train) // BATCH_SIZE
    yield measured(task, model)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(task.train))[: steps * BATCH_SIZE].view(steps, BATCH_SIZE).to(device)
        batches = zip(task.train.inputs[order], task.train.targets[order], strict=True)
        for number, (inputs, targets) in enumerate(batches, start=epoch * steps):
            step(inputs, targets, (1 + math.cos(math.pi * number / (EPOCHS * steps))) / 2)
        yield measured(task, model)


def measured(task: Any, model: Any) -> dict[str, float]:
    """Return the loss and the accuracy of each split."""
    import torch

    metrics: dict[str, float] = {}
    model.eval()
    with torch.inference_mode():
        for name, split in task.splits.items():
            outputs = model(split.inputs)
            metrics[f"{name}_loss"] = task.loss(outputs, split.targets).item()
            metrics[f"{name}_accuracy"] = task.correct(outputs, split.targets).float().mean().item()
    model.train()
    return metrics


@cache
def loaded(name: str, options: tuple[tuple[str, Any], ...], device: str) -> Any:
    """Return the task with its data on ``device``, made once per process."""
    import torch

    from robustness.tasks import load

    torch.set_num_threads(1)
    return load(name, **dict(options)).to(device)


def named(job: Job) -> tuple[str, tuple[tuple[str, Any], ...], str]:
    """Return what ``loaded`` takes."""
    return job["task"], tuple(job["options"].items()), job["device"]


def ray_documented(job: Job) -> Answer:
    """Ray Tune as its guides show it: a function that loads, builds, trains and reports each epoch."""
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        from ray import tune

        from robustness.tasks import load

        for metrics in epochs(load(job["task"], **job["options"]), config["trial"], "cpu"):
            tune.report({**metrics, "finished": time.time()})

    return _tuned(
        tune.Tuner(
            trainable,
            param_space={"trial": tune.grid_search(job["trials"])},
            run_config=tune.RunConfig(storage_path=job["folder"]),  # instead of the home folder
        )
    )


def ray_reusing(job: Job) -> Answer:
    """Ray Tune with all that makes short trials cheaper: actors reused, one report per trial, no files, no output."""
    quiet = {
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    }
    os.environ.update(quiet)
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        # from a module, so that what is loaded once stays as long as the process
        from contenders import epochs, loaded, named
        from ray import tune

        curve = list(epochs(loaded(*named(job)), config["trial"], "cpu"))
        tune.report({**curve[-1], "curve": curve, "finished": time.time()})

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return _tuned(
        tune.Tuner(
            trainable,
            param_space={"trial": tune.grid_search(job["trials"])},
            tune_config=tune.TuneConfig(
                reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id
            ),
            run_config=tune.RunConfig(storage_path=job["folder"], verbose=0),
        )
    )


def _tuned(tuner: Any) -> Answer:
    results = tuner.fit()
    if results.errors:
        raise results.errors[0]
    ends = [result.metrics for result in results]
    return {
        "finished": [end["finished"] for end in ends],
        "accuracy": statistics.mean(end["test_accuracy"] for end in ends),
        "note": "",
    }


def by_hand(job: Job) -> Answer:
    """Train with a hand-written loop: one process per core with one thread each, or one process on a GPU."""
    loaded(*named(job))  # forked processes then find imports and data ready
    cases = [(named(job), trial) for trial in job["trials"]]
    if job["device"] == "cuda":
        ends = [_to_its_end(case) for case in cases]
    else:
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        with context.Pool(job["workers"]) as pool:
            ends = list(pool.imap_unordered(_to_its_end, cases))
    folder = Path(job["folder"])
    (folder / "curves.json").write_text(json.dumps([curve for _, curve in ends]))
    return {
        "finished": [finished for finished, _ in ends],
        "accuracy": statistics.mean(curve[-1]["test_accuracy"] for _, curve in ends),
        "note": "",
    }


def _to_its_end(case: tuple[Any, dict[str, Any]]) -> tuple[float, list[dict[str, float]]]:
    names, trial = case
    curve = list(epochs(loaded(*names), trial, names[-1]))
    return time.time(), curve


def project(job: Job) -> Answer:
    """Train as a user of this project does; a trial is finished when all of its pack is stored."""
    import pyarrow.parquet as pq

    import studies

    axes = dict(job["axes"])
    spec = studies.StudySpec(
        name="throughput",
        task={"name": job["task"], **job["options"]},
        budget={"epochs": EPOCHS, "batch_size": BATCH_SIZE},
        schedule={"name": "cosine"},
        seeds=axes.pop("seed"),
        grid=axes,
        optimizers={"adamw": {}},
    )
    out = Path(job["folder"]) / "study"
    outcome = studies.run(spec, out=out, engine="auto", workers=job["workers"], device=job["device"])
    if outcome.failed or outcome.missing:
        raise RuntimeError(f"{outcome.missing} trials missing; {outcome.failed[:3]}")
    stored: dict[str, float] = {}  # when all of a pack was
    for path in (out / "rows").iterdir():
        for pack in pq.read_table(path, columns=["pack_id"])["pack_id"].unique().to_pylist():
            stored[pack] = max(path.stat().st_mtime, stored.get(pack, 0.0))
    rows = outcome.rows
    return {
        "finished": [stored[pack] for pack in rows["pack_id"]],
        "accuracy": rows["test_accuracy"].mean(),
        "note": f"{'/'.join(sorted(set(rows['engine'])))}, {len(stored)} packs",
    }


CONTENDERS: dict[str, Callable[[Job], Answer]] = {
    function.__name__: function for function in (ray_documented, ray_reusing, by_hand, project)
}

if __name__ == "__main__":
    chosen, job_file, answer_file = sys.argv[1:]
    answer = CONTENDERS[chosen](json.loads(Path(job_file).read_text()))
    Path(answer_file).write_text(json.dumps(answer))
