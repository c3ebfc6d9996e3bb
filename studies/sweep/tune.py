"""A sweep as Ray Tune sees it: a Tune trial for each turn of a worker, on actors that live on from turn to turn.

What this covers: whatever a worker reports reaches ``on_finished`` once, and whatever ends a worker, Ray's message
about it becomes a ``Loss`` by which ``turns`` decides. What it does not: Tune's own retries, snapshots and restores,
which are all off, since the store is what a study goes on from; and starting, joining or checking Ray (``cluster``).
Ray's messages are its own: one that ``_loss`` does not know counts as no fault of the trials. What happens within a
worker is in ``supervision``.
"""

from __future__ import annotations

import logging
import os
import pickle
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher

from robustness.tasks import BaseTask
from robustness.training import Engine
from studies.planning.plan import Pack, Plan
from studies.spec.errors import SweepError
from studies.spec.problems import one_line
from studies.store.rows import Finished, given_up
from studies.sweep.carried import packed, put_task, unpacked
from studies.sweep.checkpoints import Checkpoints
from studies.sweep.cluster import differences, shared_versions
from studies.sweep.interruption import Interruption
from studies.sweep.runner import OnFinished, Runner
from studies.sweep.supervision import REPORT_SECONDS, Limits, WorkerReport, supervised
from studies.sweep.turns import Loss, Turn, Turns

logger = logging.getLogger("studies")

DRAIN_SECONDS = REPORT_SECONDS + 1.0
"""How long to go on after Ctrl-C: every worker has sent what it had finished by then."""


@dataclass(frozen=True)
class Setup:
    """What every worker of a sweep needs, sent to it once.

    Attributes:
        sweep: A name by which a worker that lives on tells one sweep from another.
        task: A reference to the task, whose data lie on each node once.
        trials: A reference to the study's trials, each of them pickled.
        device: ``cpu`` or ``cuda``.
        engine: How to train.
        limits: What a trial may take.
        checkpoints: Where long trials are saved.
        versions: The driver's.
        own: What the trials name of a user's own (``carried``).
    """

    sweep: str
    task: Any
    trials: Any
    device: str
    engine: Engine
    limits: Limits
    checkpoints: Checkpoints | None
    versions: dict[str, str]
    own: bytes


class _Worker:
    """A worker process: its runner, made at its first turn, and the trials that turns name by number."""

    def __init__(self, setup: Setup) -> None:
        task: BaseTask = ray.get(setup.task)
        self.setup, self.trials, self.used = setup, ray.get(setup.trials), False
        self.runner = Runner(task, setup.device, setup.engine, setup.checkpoints)

    def run(self, turn: Turn) -> Any:
        """Train the trials of ``turn`` and yield reports."""
        pack = Pack(turn.pack_id, tuple(pickle.loads(self.trials[number]) for number in turn.trials))
        first, self.used = not self.used, True
        return supervised(self.runner, pack, self.setup.limits, alone=turn.alone, first=first)


_workers: dict[str, _Worker] = {}


def train_turn(config: dict[str, Any], setup: Setup) -> None:
    """Train a turn in a worker; called by Tune."""
    for report in _reports(config["turn"], setup):
        tune.report({"report": report})
        if report.end is not None:
            os._exit(1)  # a thread that hangs cannot be ended in any other way


def _reports(turn: Turn, setup: Setup) -> Iterator[WorkerReport]:
    """Yield what this worker reports of a turn: what it has trained, or why this node cannot train it."""
    if setup.sweep not in _workers:
        node = ray.util.get_node_ip_address()
        different = differences(setup.versions, shared_versions(), node)
        if different:
            yield WorkerReport(Finished(), Loss(different, "versions"))
            return
        try:
            unpacked(setup.own)
        except Exception as error:  # what is a user's own may import anything
            reason = f"node {node} cannot load what the study names: {type(error).__name__}: {error}"
            yield WorkerReport(Finished(), Loss(one_line(reason), "versions"))
            return
        _workers.clear()
        _workers[setup.sweep] = _Worker(setup)
    yield from _workers[setup.sweep].run(turn)


class _Source(Searcher):
    """Gives Tune one turn after another."""

    def __init__(self, turns: Turns, interruption: Interruption) -> None:
        super().__init__()
        self.turns, self.interruption = turns, interruption

    def suggest(self, trial_id: str) -> Any:
        if self.turns.done or self.interruption.asked_at is not None:
            return Searcher.FINISHED
        turn = self.turns.take(trial_id)
        return None if turn is None else {"turn": turn}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: ``_Collect`` is told more."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the store is what a study goes on from."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: nothing was saved."""


class _Collect(tune.Callback):
    """Hands on what comes from workers, and puts back what they leave.

    An error in a callback of one Tune trial, such as a full disk, is kept until the step ends: Tune would put it into
    an error of its own, with the traceback as its message.
    """

    def __init__(
        self, work: Plan, device: str, turns: Turns, on_finished: OnFinished, stop: Interruption
    ) -> None:
        self.work, self.device, self.turns = work, device, turns
        self.on_finished, self.stop = on_finished, stop
        self.numbers = {trial.trial_id: number for number, trial in enumerate(work.trials)}
        self.ends: dict[str, Loss] = {}
        self.error: Exception | None = None

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.error is not None:
            raise self.error
        self.stop.stop_after(DRAIN_SECONDS)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        report: WorkerReport = result.pop("report")  # Tune would keep it to the end of the sweep
        # a result without anything in it is printed, however quiet Tune is to be
        result["trials"] = len(report.finished.rows)
        if report.end is not None:
            self.ends[trial.trial_id] = report.end
        with self._keeping_errors():
            self._hand_on(report.finished)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.turns.end(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        loss = self.ends.pop(trial.trial_id, None) or _loss(Path(trial.error_file).read_text())
        logger.warning("worker lost (%s): %s", loss.kind, loss.reason)
        with self._keeping_errors():
            if loss.kind == "versions":
                raise SweepError(loss.reason)
            pack_id = self.turns.running[trial.trial_id].pack_id
            for number in self.turns.lose(trial.trial_id, loss):
                reason = f"its worker died each time: {loss.reason}"
                row = given_up(self.work.task, self.work.trials[number], pack_id, self.device, reason)
                self.on_finished(row)

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error

    def _hand_on(self, finished: Finished) -> None:
        """Hand on the trials that are not finished already: a trial has one row."""
        new = {
            self.work.trials[number].trial_id
            for number in self.turns.finish(self.numbers[row["trial_id"]] for row in finished.rows)
        }
        rows = [row for row in finished.rows if row["trial_id"] in new]
        curves = [point for point in finished.curves if point["trial_id"] in new]
        spreads = [spread for spread in finished.diagnostics if spread["trial_id"] in new]
        if rows:
            self.on_finished(Finished(rows, curves, spreads, finished.checkpoints))

    def __reduce__(self) -> Any:
        # Tune pickles its callbacks for a restore that is not used here; the screen and the store stay behind
        return tune.Callback, ()


def _loss(error: str) -> Loss:
    """Return how a worker was lost, by Ray's message."""
    text = one_line(error)
    reason = one_line(error.strip().splitlines()[-1]) if error.strip() else "no message"
    if "node has died" in text or "node was terminated" in text or "preempt" in text:
        return Loss("its node went away", "outside")
    if "low on memory" in text or "OutOfMemory" in text:
        return Loss("killed by Ray since its node ran out of memory", "memory")
    if "never ran" in text:
        return Loss("Ray ended it before it started", "outside")
    if "actor died" in text or "worker process" in text.lower():
        return Loss("its process was killed or crashed", "died")
    return Loss(reason, "outside")


def run_turns(
    work: Plan,
    device: str,
    count: int | None,
    on_finished: OnFinished,
    checkpoints: Checkpoints | None,
) -> list[str]:
    """Run the packs of ``work`` on Ray, which is connected.

    Args:
        work: What to run.
        device: ``cpu`` or ``cuda``.
        count: How many workers at most; None means as many as there is room for.
        on_finished: Called with what is finished, each trial once.
        checkpoints: Where long trials are saved; None means nowhere.

    Returns:
        A line for each pack that could not be run.

    Raises:
        SweepError: If a worker has other versions than this process, or ``on_finished`` raises it.
        KeyboardInterrupt: If the user interrupts, after what was finished is handed on.
    """
    spec = work.spec
    own = packed(work)
    numbers = {trial.trial_id: number for number, trial in enumerate(work.trials)}
    turns = Turns(Turn(pack.pack_id, tuple(numbers[t.trial_id] for t in pack.trials)) for pack in work.packs)
    request = spec.resources.request(device)
    setup = Setup(
        sweep=uuid.uuid4().hex,
        task=put_task(work.task),
        trials=ray.put([pickle.dumps(trial) for trial in work.trials]),
        device=device,
        engine=work.engine,
        limits=Limits(spec.budget.time_limit, spec.resources.memory),
        checkpoints=checkpoints,
        versions=shared_versions(),
        own=own,
    )
    trainable = tune.with_resources(tune.with_parameters(train_turn, setup=setup), request)
    with tempfile.TemporaryDirectory(prefix="robustness-") as scratch, Interruption() as stop:
        collect = _Collect(work, device, turns, on_finished, stop)
        _tuner(trainable, count, _Source(turns, stop), collect, scratch).fit()
        stop.stop_after(0)
    return turns.problems


def _tuner(trainable: Any, count: int | None, source: Searcher, collect: tune.Callback, scratch: str) -> Any:
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # rows and problems say what goes wrong
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=source,
            num_samples=-1,
            reuse_actors=True,
            max_concurrent_trials=count,
            trial_dirname_creator=lambda trial: trial.trial_id,  # never from parameter values
        ),
        run_config=tune.RunConfig(name="sweep", storage_path=scratch, verbose=0, callbacks=[collect]),
    )
