"""A training function is given its trial; what it does wrong is one true line, whatever it catches."""

import math
import random
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest
import torch

from robustness.tasks import Metric, TrainingFunction
from robustness.training import Checkpoint, Schedule, Training, TrialSettings, train_function

ERROR = Metric("error", unit="%", source="accuracy", nothing=0.5)
PERPLEXITY = Metric("perplexity", source="reported", nothing=65.0)
GOOD = {"loss": 0.5, "accuracy": 0.75}


class Line:
    """One weight with ``loss = weight ** 2``; with lr 0.25 a step halves it."""

    def __init__(self, run, weight=1.0):
        self.run, self.model = run, torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.model.weight, weight)
        self.optimizer = run.optimizer(self.model)

    def loss(self):
        return (self.model.weight**2).sum()

    def step(self, scale=True):
        self.optimizer.zero_grad()
        self.loss().backward()
        if scale:
            self.run.scale_gradients()
        self.optimizer.step()

    def report(self, epoch, **more):
        one = {"loss": self.loss(), "accuracy": 0.75, **more}
        self.run.report(epoch, train=one, val=one, test=one)


def trained(function, metric=ERROR, optimizer="sgd", lr=0.25, checkpoint=None, **settings):
    task = TrainingFunction("own:function", function, metric)
    trial = TrialSettings(
        optimizer,
        {"lr": lr, "weight_decay": 0.0, **({"momentum": 0.0} if optimizer == "sgd" else {})},
        **{"epochs": 2, "batch_size": 4, **settings},
    )
    return train_function(task, trial, checkpoint=checkpoint)


def line(run):
    one = Line(run)
    one.report(0)
    for epoch in (1, 2):
        one.step()
        one.report(epoch)


def test_a_function_trains_with_the_trials_optimizer_and_reports_numbers():
    result = trained(line)
    assert result.status == "completed"
    assert result.init_loss == 1.0
    assert [point.loss for point in result.curves if point.split == "val"] == [1.0, 0.25, 0.0625]
    assert result.metrics["test_loss"] == 0.0625
    assert (result.metrics["val_accuracy"], result.metrics["val_metric"]) == (0.75, 0.25)


def test_the_gradient_is_scaled_and_the_loss_is_not():
    # w <- w (1 - 2 lr c): 0.5, 0.25, 0.125 and so on for lr c = 0.25
    assert trained(line, lr=2.5, grad_scale=0.1).metrics == pytest.approx(trained(line).metrics)


def test_a_generator_yields_the_same():
    def yields(run):
        one = Line(run)
        for epoch in range(3):
            if epoch:
                one.step()
            split = {"loss": one.loss(), "accuracy": 0.75}
            yield epoch, dict.fromkeys(("train", "val", "test"), split)

    result, expected = trained(yields), trained(line)
    assert (result.curves, result.metrics) == (expected.curves, expected.metrics)


@pytest.mark.parametrize(
    "number",
    [0.5, np.float32(0.5), torch.tensor(0.5), torch.tensor([[0.5]]), np.array([0.5]),
     torch.tensor(0.5, requires_grad=True), torch.tensor(0.5, dtype=torch.bfloat16)],
)  # fmt: skip
def test_numbers_may_be_of_any_library(number):
    def reports(run):
        Line(run).step()
        run.report(np.int64(2), val={"loss": number, "accuracy": number}, test=GOOD)

    result = trained(reports)
    assert (result.status, result.metrics["val_loss"], result.metrics["val_metric"]) == (
        "completed",
        0.5,
        0.5,
    )
    assert result.init_loss is None
    assert "train_loss" not in result.metrics


def test_a_reported_metric_is_the_metric():
    def reports(run):
        Line(run).step()
        run.report(2, val={"loss": 2.0, "metric": 7.5}, test={"loss": 2.0, "metric": 8})

    assert trained(reports, PERPLEXITY).metrics["test_metric"] == 8.0


def test_schedules_are_torchs_over_the_steps():
    rates = []

    def scheduled(run):
        one = Line(run)
        schedule = run.schedule(one.optimizer, 4)
        for epoch in (1, 2):
            for _ in range(2):
                one.step()
                rates.append(one.optimizer.param_groups[0]["lr"])
                schedule.step()
            one.report(epoch)

    shape = Schedule("linear")
    assert trained(scheduled, schedule=shape).status == "completed"
    assert rates == [0.25 * shape.multiplier(step, 4) for step in range(4)]


def test_defaults_are_drawn_by_seed_and_left_as_they_were():
    drawn = []

    def draws(run):
        drawn.append((run.seed, torch.rand(1).item(), random.random(), np.random.rand()))  # noqa: NPY002
        torch.set_default_dtype(torch.float64)
        line(run)

    state = torch.get_rng_state()
    for seed in (0, 0, 1):
        trained(draws, seed=seed)
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32


def test_what_a_function_is_given():
    seen = {}

    def asks(run):
        names = ("seed", "grad_scale", "epochs", "batch_size", "device")
        seen.update({name: getattr(run, name) for name in names}, momentum=run.hyperparameters["momentum"])
        line(run)

    trained(asks, seed=3)
    assert seen == {
        "seed": 3,
        "grad_scale": 1.0,
        "epochs": 2,
        "batch_size": 4,
        "device": "cpu",
        "momentum": 0.0,
    }


def test_matrices_alone_decay_where_the_study_says_so():
    groups = []

    def asks(run):
        groups.extend(run.optimizer(torch.nn.Linear(2, 2)).param_groups)

    settings = {"training": Training(decay="matrices"), "optimizer": "adamw"}
    trained(asks, **settings)
    assert [group["weight_decay"] for group in groups] == [0.0, 0.0]
    assert [len(group["params"]) for group in groups] == [1, 1]
    result = trained(lambda run: run.optimizer(torch.nn.Linear(2, 2).parameters()), **settings)
    assert "needs run.optimizer(model), the whole module" in result.reason


# --- divergence -------------------------------------------------------------------------------------------------


def diverges(run, broken, catch=BaseException, after=None):
    one = Line(run)
    for epoch in (1, 2):
        one.step()
        try:
            broken(one, epoch)
        except catch:
            if after is not None:
                after()


@pytest.mark.parametrize(
    "broken",
    [
        lambda one, epoch: one.run.report(epoch, train={"loss": math.nan}, val=GOOD, test=GOOD),
        lambda one, epoch: one.run.report(epoch, val={"loss": torch.tensor(math.inf)}, test=GOOD),
        lambda one, epoch: (
            one.model.weight.data.fill_(math.nan),
            one.run.report(epoch, val=GOOD, test=GOOD),
        ),
    ],
)
def test_a_trial_diverges_at_a_report_whatever_is_caught(broken):
    for catch in (ZeroDivisionError, Exception, BaseException):
        result = trained(lambda run, catch=catch: diverges(run, broken, catch))
        assert (result.status, result.stopped_step, result.reason) == (
            "diverged", 1, "non-finite loss or parameters",
        )  # fmt: skip


def test_an_exception_after_the_end_is_of_no_account():
    result = trained(
        lambda run: diverges(
            run, lambda one, epoch: one.run.report(epoch, val={"loss": math.nan}), after=math.factorial
        )
    )
    assert result.status == "diverged"


def test_a_generator_is_closed_where_it_diverges():
    closed = []

    def yields(run):
        one = Line(run)
        try:
            for epoch in (1, 2):
                one.step()
                yield epoch, {"train": {"loss": math.nan}}
        finally:
            closed.append(True)

    assert (trained(yields).stopped_step, closed) == (1, [True])


def test_a_last_validation_loss_that_is_not_finite_diverges():
    def reports(run):
        Line(run).step()
        run.report(2, train=GOOD, val={"loss": math.nan}, test=GOOD)

    result = trained(reports)
    assert (result.status, result.reason) == ("diverged", "non-finite loss at the end (val)")


def test_parameters_that_no_step_moved_may_hold_anything():
    def unused(run):
        model = torch.nn.ModuleList([torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)])
        torch.nn.init.constant_(model[1].weight, math.nan)
        optimizer = run.optimizer(model)
        model[0](torch.ones(1)).sum().backward()
        optimizer.step()
        run.report(2, val=GOOD, test=GOOD)

    assert trained(unused).status == "completed"


# --- what a function does wrong ---------------------------------------------------------------------------------


def reporting(*calls):
    """Return a function that takes a step and reports so, and catches whatever it can."""

    def function(run):
        Line(run).step()
        for epoch, splits in calls:
            with suppress(Exception):
                run.report(epoch, **splits)

    return function


BOTH = {"val": GOOD, "test": GOOD}
REPORTS = {
    "epoch -1: must be a whole number from 0": [(-1, BOTH)],
    "epoch 3: must be a whole number from 0 (the initialization) to 2": [(3, BOTH)],
    "epoch True: must": [(True, BOTH)],
    "epoch 1.0: must": [(1.0, BOTH)],
    "epoch 1 after epoch 1: each once, in order": [(1, BOTH), (1, BOTH)],
    "epoch 1 after epoch 2: each once, in order": [(2, BOTH), (1, BOTH)],
    "'valid', no known split: allowed: train, val, test (did you mean 'val'?)": [(1, {"valid": GOOD})],
    "no split: allowed": [(1, {})],
    "0.5 of the val split: must be a mapping": [(1, {"val": 0.5})],
    "no loss of the val split": [(1, {"val": {"accuracy": 0.5}})],
    "None as the loss of the val split": [(1, {"val": {"loss": None}})],
    "'acc', no known key of the val split: allowed: loss, accuracy, metric": [(1, {"val": {"acc": 1}})],
    "'0.5' as the loss of the val split: must be one number": [(1, {"val": {"loss": "0.5"}})],
    "True as the loss": [(1, {"val": {"loss": True}})],
    "a tensor of shape [3] as the loss of the val split": [(1, {"val": {"loss": torch.ones(3)}})],
    "1j as the loss": [(1, {"val": {"loss": 1j}})],
    "an accuracy of 97.5: must be a fraction from 0 to 1 (val split)": [
        (1, {"val": {"loss": 1, "accuracy": 97.5}})
    ],
    "an accuracy of nan": [(1, {"val": {"loss": 1, "accuracy": math.nan}})],
    "no epoch: run.report(epoch, val=…, test=…)": [],
    "epochs up to 1 of 2: epoch 0 is the initialization, and the last is 2": [(0, BOTH), (1, BOTH)],
    "no validation split after the last epoch": [(1, BOTH), (2, {"train": GOOD, "test": GOOD})],
    "no test split after the last epoch": [(2, {"val": GOOD})],
    "no accuracy of the test split, which the metric 'error' needs": [(2, {**BOTH, "test": {"loss": 1}})],
}


@pytest.mark.parametrize("line", REPORTS)
def test_a_report_that_is_wrong_is_one_line(line):
    result = trained(reporting(*REPORTS[line]))
    assert result.status == "failed"
    assert result.reason.startswith("the training function reports ")
    assert line in result.reason


def test_a_reported_metric_must_be_a_number_and_there():
    nan = {"val": {"loss": 1, "metric": math.nan}, "test": GOOD}
    assert "reports nan as the metric 'perplexity'" in trained(reporting((1, nan)), PERPLEXITY).reason
    assert "no metric of the val split" in trained(reporting((2, BOTH)), PERPLEXITY).reason


def without_scale(run):
    Line(run).step(scale=False)


def scaled_twice(run):
    one = Line(run)
    one.loss().backward()
    run.scale_gradients()
    one.step()  # clears them: no mistake
    one.loss().backward()
    run.scale_gradients()
    run.scale_gradients()


def added_to(run):
    one = Line(run)
    for _ in range(2):
        one.loss().backward()
        run.scale_gradients()


def other_gradients(run):
    one = Line(run)
    one.loss().backward()
    run.scale_gradients()
    one.model.weight.grad = one.model.weight.grad.clone()
    one.optimizer.step()


SCALES = {
    "takes step 1 without run.scale_gradients(), and gradients are to be scaled by 0.5": without_scale,
    "calls run.scale_gradients() twice for one step": scaled_twice,
    "adds to gradients that run.scale_gradients() has scaled": added_to,
    "takes step 1 without": other_gradients,
    "calls run.scale_gradients() before run.optimizer(…)": lambda run: run.scale_gradients(),
}


@pytest.mark.parametrize("line", SCALES)
def test_a_forgotten_scale_fails_the_trial(line):
    assert line in trained(SCALES[line], grad_scale=0.5).reason


def test_accumulated_gradients_two_optimizers_and_closures_are_scaled_once():
    ends = []

    def several(run):
        one, two = Line(run), Line(run, 2.0)
        for _ in range(2):
            (one.loss() / 2).backward()
        run.scale_gradients()
        one.optimizer.step()
        two.step()
        one.optimizer.zero_grad(set_to_none=False)
        one.loss().backward()
        two.optimizer.zero_grad()
        run.scale_gradients()
        one.optimizer.step()
        ends.append((one.model.weight.item(), two.model.weight.item()))
        run.report(2, val=GOOD, test=GOOD)

    result = trained(several, lr=0.5, grad_scale=0.5, optimizer="torch.optim:SGD")
    assert (result.status, ends) == ("completed", [(0.25, 1.0)])

    def closed(run):
        one = Line(run)

        def closure():
            one.optimizer.zero_grad()
            loss = one.loss()
            loss.backward()
            run.scale_gradients()
            return loss

        one.optimizer.step(closure)
        one.report(2)

    assert trained(closed, optimizer="torch.optim:LBFGS", grad_scale=0.5).status == "completed"


def stepping(times, steps=3):
    def function(run):
        one = Line(run)
        schedule = run.schedule(one.optimizer, steps)
        one.step()
        for _ in range(times):
            schedule.step()
        one.report(2)

    return function


SCHEDULES = {
    "has not called run.schedule(optimizer, steps), and the study's schedule is cosine": line,
    "steps the schedule cosine 2 times, and not the 3 of": stepping(2),
    "steps the schedule cosine 4 times, and not the 3 of": stepping(4),
    "calls run.schedule with 0 steps: must be": stepping(1, 0),
    "calls run.schedule with 2.5 steps: must be": stepping(1, 2.5),
    "calls run.schedule with an optimizer that is none of run.optimizer(…)": lambda run: run.schedule(
        torch.optim.SGD([torch.nn.Parameter(torch.ones(1))]), 3
    ),
    "calls run.schedule twice for one optimizer": lambda run: [
        run.schedule(one, 3) for one in [run.optimizer(torch.nn.Linear(1, 1))] * 2
    ],
}


@pytest.mark.parametrize("line", SCHEDULES)
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_a_forgotten_schedule_fails_the_trial(line):
    assert line in trained(SCHEDULES[line], schedule=Schedule("cosine")).reason


def test_a_constant_schedule_may_be_asked_for_or_not():
    assert trained(stepping(1)).status == "completed"


def in_a_thread(run):
    line(run)
    thread = threading.Thread(target=lambda: run.report(2, val=GOOD, test=GOOD))
    thread.start()
    thread.join()


async def awaits(run):
    line(run)


OTHERS = {
    "has not called run.optimizer(…)": lambda run: run.report(2, val=GOOD, test=GOOD),
    "has taken no step with": lambda run: Line(run).report(2),
    "calls run.optimizer: there is no parameter with": lambda run: run.optimizer([]),
    "calls run.optimizer: the model has no parameter with": lambda run: run.optimizer(torch.nn.ReLU()),
    "calls run.optimizer: must be a module, parameters, or groups of parameters, but got 3": lambda run: (
        run.optimizer(3)
    ),
    "calls run.optimizer: must be a module, parameters": lambda run: run.optimizer([1, 2]),
    "a parameter group must not give lr, which is the trial's": lambda run: run.optimizer(
        [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": 1.0}]
    ),
    "yields 3: must be epoch, {": lambda run: iter([3]),
    "yields (1, 0.5): must be": lambda run: iter([(1, 0.5)]),
    "reports no epoch, and returned a dict": lambda run: {"val": GOOD},
    "uses its run in another thread than its own": in_a_thread,
}


@pytest.mark.parametrize("line", OTHERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_else_a_function_does_is_one_line(line):
    result = trained(OTHERS[line])
    assert result.status == "failed"
    assert line in result.reason
    assert "\n" not in result.reason


def test_an_end_of_the_process_is_a_failure_and_an_exception_its_own():
    assert trained(lambda run: sys.exit(3)).reason.startswith("SystemExit: 3 (test_run.py:")
    with pytest.raises(ZeroDivisionError):
        trained(lambda run: 1 / 0)


@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_coroutine_trains_nothing():
    assert "returned a coroutine" in trained(awaits).reason


# --- checkpoints ------------------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def saving(killed_in=None, again=0):
    """Return a function that draws, saves and is killed in an epoch, before it reports it."""

    def function(run):
        one = Line(run)
        generator = torch.Generator().manual_seed(run.seed)
        schedule = run.schedule(one.optimizer, 4)
        done = run.checkpoint(model=one.model, optimizer=one.optimizer, schedule=schedule, order=generator)
        one.report(0)
        for epoch in range(done + 1 - again, run.epochs + 1):
            with torch.no_grad():
                one.model.weight += torch.rand(1) + torch.rand(1, generator=generator) + random.random()
            one.step()
            schedule.step()
            if epoch == killed_in:
                raise Killed
            one.report(epoch)

    return function


def test_a_killed_trial_goes_on_from_its_checkpoint_bit_for_bit(tmp_path):
    settings = {"epochs": 4, "schedule": Schedule("cosine"), "optimizer": "adamw"}
    checkpoint = Checkpoint(tmp_path / "trial.pt", 2)
    with pytest.raises(Killed):
        trained(saving(4), checkpoint=checkpoint, **settings)
    assert torch.load(checkpoint.path, weights_only=True)["epoch"] == 2
    resumed, whole = trained(saving(), checkpoint=checkpoint, **settings), trained(saving(), **settings)
    assert (resumed.curves, resumed.metrics) == (whole.curves, whole.metrics)
    assert resumed.init_loss == whole.init_loss
    wrong = trained(saving(again=1), checkpoint=checkpoint, **settings)
    assert wrong.reason.endswith(
        "reports epoch 2 after epoch 2: each once, in order (run.checkpoint has returned 2)"
    )


def test_what_cannot_be_saved_is_one_line(tmp_path):
    checkpoint = Checkpoint(tmp_path / "trial.pt", 1)
    assert "with nothing to save" in trained(lambda run: run.checkpoint()).reason
    assert "must have state_dict and load_state_dict" in trained(lambda run: run.checkpoint(model=3)).reason

    def twice(run):
        model = torch.nn.Linear(1, 1)
        return run.checkpoint(model=model), run.checkpoint(model=model)

    assert "calls run.checkpoint twice" in trained(twice).reason

    def late(run):
        Line(run).report(1)
        run.checkpoint(model=torch.nn.Linear(1, 1))

    assert "calls run.checkpoint after epoch 1" in trained(late).reason

    class Odd:
        def state_dict(self):
            return {"function": lambda: None}

        def load_state_dict(self, state):
            pass

    def odd(run):
        one = Line(run)
        run.checkpoint(odd=Odd())
        one.report(1)

    assert "names for run.checkpoint what cannot be saved" in trained(odd, checkpoint=checkpoint).reason


class Own:
    """What holds the weights and an optimizer, as far as one can know."""

    def __init__(self, *parts):
        self.parts = parts

    def state_dict(self):
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("named", "left_out"),
    [
        (lambda one: {"model": one.model}, "an optimizer of run.optimizer"),
        (
            lambda one: {"optimizer": one.optimizer},
            "the model whose parameters an optimizer of run.optimizer",
        ),
        (lambda one: {"model": one.model, "optimizer": one.optimizer}, None),
        (lambda one: {"all": Own(one.model, one.optimizer)}, None),
    ],
)
def test_a_checkpoint_without_the_optimizer_or_the_weights_is_refused_before_it_is_gone_on_from(
    tmp_path, named, left_out
):
    def function(run):
        one = Line(run)
        run.checkpoint(**named(one))
        for epoch in (1, 2):
            one.step()
            one.report(epoch)

    result = trained(function, checkpoint=Checkpoint(tmp_path / "trial.pt", 1))
    assert (tmp_path / "trial.pt").exists() == (left_out is None)
    assert result.reason is None if left_out is None else f") without {left_out}" in result.reason
    assert trained(function).status == "completed"


def test_a_model_that_an_earlier_trial_has_trained_is_refused():
    model = torch.nn.Linear(1, 1)

    def function(run):
        one = Line(run)
        one.optimizer = run.optimizer(model)
        one.step()
        one.report(2)

    trained(function)
    assert "with parameters that another trial has trained: make the model inside" in trained(function).reason
