"""Packs of trials, spread over workers by Ray Tune, or run in this process."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from robustness.tasks import Task
from robustness.training import Engine
from studies.errors import SweepError
from studies.plan import Pack, Plan
from studies.worker import Finished, Runner

# Read by Ray when it is imported. One file per trial and logger, and a snapshot of the experiment every few
# seconds, would cost more than the trials: what is stored already is the state to resume from.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_RESULT_BUFFER_LENGTH": "0",
}
PACK_RETRIES = 2

OnFinished = Callable[[Finished], None]


@dataclass(frozen=True)
class Workers:
    """Where packs run.

    Attributes:
        count: Number of workers; 0 runs in this process without Ray; None takes one per CPU core, or per GPU.
        address: A Ray cluster's address; None starts Ray on this machine.
        device: ``cpu`` or ``cuda``.
    """

    count: int | None = None
    address: str | None = None
    device: str = "cpu"


def sweep(work: Plan, workers: Workers, on_finished: OnFinished) -> list[str]:
    """Run the packs of ``work`` and hand on what is finished, as it is finished.

    Returns:
        What went wrong with packs as a whole (such as a worker that was killed too often), a line each.

    Raises:
        SweepError: If Ray cannot be started or reached.
        KeyboardInterrupt: If the user interrupts; everything handed on is stored.
    """
    if not work.packs:
        return []
    if workers.count == 0:
        runner = Runner(work.task, workers.device, work.engine)
        for pack in work.packs:
            for finished in runner.run(pack):
                on_finished(finished)
        return []
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    import ray

    _connect(workers)
    try:
        return _tune(work, workers, on_finished)
    finally:
        ray.shutdown()


def _connect(workers: Workers) -> None:
    """Start Ray on this machine, or join the cluster at the given address."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if workers.address is None:
        options |= {"include_dashboard": False, "num_cpus": workers.count, "address": "local"}
        # workers find a user's own modules where this process does; by the environment that they inherit, since
        # a runtime environment keeps Ray from using the workers that it has started in advance
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    else:
        options["address"] = workers.address
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises a different class for every way to fail
        raise SweepError(f"Ray cannot be started at {workers.address or 'this machine'}: {error}") from error


_runners: dict[str, Runner] = {}


def _lasting_runner(sweep_id: str, task: Task, device: str, engine: Engine) -> Runner:
    """Return this worker process's runner for a sweep, made at its first pack."""
    if sweep_id not in _runners:
        _runners.clear()
        _runners[sweep_id] = Runner(task, device, engine)
    return _runners[sweep_id]


def _resources(workers: Workers) -> dict[str, float]:
    return {"cpu": 1, "gpu": 1} if workers.device == "cuda" else {"cpu": 1}


def _tune(work: Plan, workers: Workers, on_finished: OnFinished) -> list[str]:
    """Run one Tune trial per pack on actors that live as long as there are packs."""
    import ray.cloudpickle
    from ray import tune

    if ":" in work.task.name:  # a user's own module travels with the task
        ray.cloudpickle.register_pickle_by_value(sys.modules[work.task.name.partition(":")[0]])

    class Collect(tune.Callback):
        def on_trial_result(self, iteration, trials, trial, result, **info):
            on_finished(Finished(result["rows"], result["curves"], result["diagnostics"]))

        def __reduce__(self):
            # Tune pickles its set-up for a restore that is not used here; the screen and the store stay behind
            return tune.Callback, ()

    options = (workers.device, work.engine)

    def train_pack(config: dict[str, Any], task: Task, packs: Sequence[Pack]) -> None:
        for finished in _lasting_runner(config["sweep"], task, *options).run(packs[config["pack"]]):
            tune.report(
                {"rows": finished.rows, "curves": finished.curves, "diagnostics": finished.diagnostics}
            )

    trainable = tune.with_parameters(train_pack, task=work.task, packs=work.packs)
    with tempfile.TemporaryDirectory(prefix="robustness-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(trainable, _resources(workers)),
            param_space={"pack": tune.grid_search(list(range(len(work.packs)))), "sweep": uuid.uuid4().hex},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=workers.count,
                trial_dirname_creator=lambda trial: trial.trial_id,  # never from parameter values
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                verbose=0,
                callbacks=[Collect()],
                failure_config=tune.FailureConfig(max_failures=PACK_RETRIES),
            ),
        )
        results = tuner.fit()
        return [str(error).strip().splitlines()[-1] for error in results.errors]
