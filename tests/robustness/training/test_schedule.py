"""Schedules: by hand, beside torch's, and from a function of one's own."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import MultiStepLR, OneCycleLR, PolynomialLR, StepLR

from robustness.tasks import Split, Task
from robustness.training import PackTrainer, Schedule, TrialSettings, signature, train


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1, 1, 1, 1, 1]),
        (Schedule("constant", warmup=0.4), [0.5, 1, 1, 1, 1]),
        (Schedule("linear"), [1, 0.8, 0.6, 0.4, 0.2]),
        (Schedule("linear", floor=0.1, until=0.4), [1, 0.55, 0.1, 0.1, 0.1]),
        (
            Schedule("cosine"),
            [1, 0.9045084971874737, 0.6545084971874737, 0.3454915028125263, 0.09549150281252627],
        ),
        (Schedule("cosine", warmup=0.2, floor=0.5), [1, 1, 0.9267766952966369, 0.75, 0.5732233047033631]),
        (Schedule("polynomial", power=2), [1, 0.64, 0.36, 0.16, 0.04]),
        (Schedule("polynomial", power=2, floor=0.5, until=0.4), [1, 0.625, 0.5, 0.5, 0.5]),
        (Schedule("polynomial", power=0.5, warmup=0.4), [0.5, 1, 1, (2 / 3) ** 0.5, (1 / 3) ** 0.5]),
        (Schedule("step", milestones=[0.4, 0.8], factor=0.1), [1, 1, 0.1, 0.1, 0.01]),
        (Schedule("step", milestones=[0.5], factor=0.5, warmup=0.4), [0.5, 1, 1, 0.5, 0.5]),
        # up in 0.6 * 5 - 1 = 2 steps, down in 2: each is half way after one
        (Schedule("one-cycle", warmup=0.6, div_factor=4, final_div_factor=5), [0.25, 0.625, 1, 0.525, 0.05]),
    ],
)
def test_five_steps_worked_by_hand(schedule, expected):
    assert [schedule.multiplier(step, 5) for step in range(5)] == pytest.approx(expected, rel=1e-12)


@given(
    st.builds(
        Schedule,
        name=st.sampled_from(["constant", "cosine", "linear"]),
        warmup=st.floats(0, 0.5),
        floor=st.floats(0, 1),
        until=st.floats(0.51, 1),
    ),
    st.integers(1, 200),
)
def test_after_warm_up_the_rate_never_rises_and_stays_between_floor_and_peak(schedule, total):
    rates = [schedule.multiplier(step, total) for step in range(total) if step >= schedule.warmup * total]
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert all(schedule.floor - 1e-12 <= rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "cosin"},
            "must be one of constant, cosine, linear, .* package.module:function, but got 'cosin'",
        ),
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\), but got 1.0"),
        ({"floor": -0.1}, r"floor must be in \[0, 1\], but got -0.1"),
        ({"warmup": 0.5, "until": 0.5}, r"until must be in \(warmup, 1\]"),
        ({"floor": math.nan}, r"floor must be in \[0, 1\], but got nan"),
        ({"name": "polynomial"}, "power must be given for polynomial"),
        ({"name": "polynomial", "power": 0}, "power must be positive and finite, but got 0"),
        ({"name": "step", "milestones": [0.5]}, "factor must be given for step"),
        ({"name": "step", "milestones": [0.5], "factor": 1}, r"factor must be in \(0, 1\), but got 1"),
        ({"name": "step", "milestones": [], "factor": 0.1}, "milestones must be increasing fractions"),
        (
            {"name": "step", "milestones": [0.5, 0.5], "factor": 0.1},
            "milestones must be increasing fractions",
        ),
        ({"name": "step", "milestones": [0.5, 1], "factor": 0.1}, "milestones must be increasing fractions"),
        ({"name": "step", "milestones": [0.1], "factor": 0.1, "warmup": 0.2}, "none below warmup"),
        (
            {"name": "step", "milestones": [0.5], "factor": 0.1, "floor": 0},
            "floor must not be given for step",
        ),
        ({"name": "one-cycle", "div_factor": 0.5}, "div_factor must be at least 1 and finite"),
        (
            {"name": "cosine", "power": 2},
            r"power must not be given for cosine \(its keys: warmup, floor, until\)",
        ),
        ({"name": "cosine", "options": {"a": 1}}, "options must be those of a package.module:function"),
        ({"name": "m:f", "warmup": 0.1}, r"warmup must not be given for m:f \(its keys: options\)"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**arguments)


def torch_rates(make, total):
    """Return the multipliers that a scheduler of torch gives a rate of 1, a step at a time."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < total:
            scheduler.step()
    return rates


@pytest.mark.parametrize("total", [20, 100, 1000])
@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Schedule("one-cycle"), lambda o, n: OneCycleLR(o, 1.0, n)),
        (
            Schedule("one-cycle", warmup=0.45, div_factor=10, final_div_factor=100),
            lambda o, n: OneCycleLR(o, 1.0, n, pct_start=0.45, div_factor=10, final_div_factor=100),
        ),
        (Schedule("one-cycle", warmup=0), lambda o, n: OneCycleLR(o, 1.0, n, pct_start=0.0)),
        (Schedule("polynomial", power=2), lambda o, n: PolynomialLR(o, n, power=2)),
        (
            Schedule("polynomial", power=0.9, until=0.7),
            lambda o, n: PolynomialLR(o, round(0.7 * n), power=0.9),
        ),
        (
            Schedule("step", milestones=[0.35, 0.55, 0.95], factor=0.1),
            lambda o, n: MultiStepLR(o, [round(f * n) for f in (0.35, 0.55, 0.95)], gamma=0.1),
        ),
        (
            Schedule("step", milestones=[0.2, 0.4, 0.6, 0.8], factor=0.7),
            lambda o, n: StepLR(o, round(0.2 * n), gamma=0.7),
        ),
    ],
)
def test_the_rates_are_those_of_torchs_scheduler(schedule, make, total):
    rates = [schedule.multiplier(step, total) for step in range(total)]
    assert rates == pytest.approx(torch_rates(lambda o: make(o, total), total), rel=1e-12, abs=1e-12)


_decay = {"warmup": st.floats(0, 0.5), "floor": st.floats(0, 1), "until": st.floats(0.51, 1)}
shaped = st.one_of(
    st.builds(Schedule, name=st.just("polynomial"), power=st.floats(0.1, 10), **_decay),
    st.builds(
        Schedule,
        name=st.just("step"),
        milestones=st.lists(st.floats(0.5, 0.99), min_size=1, unique=True).map(sorted),
        factor=st.floats(0.01, 0.99),
        warmup=st.floats(0, 0.5),
    ),
    st.builds(
        Schedule,
        name=st.just("one-cycle"),
        warmup=st.floats(0, 0.9),
        div_factor=st.floats(1, 100),
        final_div_factor=st.floats(1, 1e5),
    ),
)


@given(shaped, st.integers(1, 200))
def test_a_rate_is_between_0_and_the_peak_rises_once_and_falls_once(schedule, total):
    rates = [schedule.multiplier(step, total) for step in range(total)]
    assert all(0 <= rate <= 1 for rate in rates)
    top = rates.index(max(rates))
    assert all(first <= second + 1e-12 for first, second in pairwise(rates[: top + 1]))
    assert all(first >= second - 1e-12 for first, second in pairwise(rates[top:]))


@given(st.sampled_from(["polynomial", "step", "one-cycle"]), st.integers(2, 50), st.integers(1, 9))
def test_where_the_warm_up_ends_on_a_step_the_rate_is_the_peak(name, tens, tenths):
    total, own = 10 * tens, {"polynomial": {"power": 3}, "step": {"milestones": [0.95], "factor": 0.5}}
    schedule = Schedule(name, warmup=tenths / 10, **own.get(name, {}))
    last = tenths * tens - 1  # of the warm-up
    assert schedule.multiplier(last, total) == pytest.approx(1, abs=1e-12)


@given(st.builds(dict, **_decay), st.integers(1, 300))
def test_the_power_1_is_the_linear_decay_to_the_last_bit(keys, total):
    linear, power = Schedule("linear", **keys), Schedule("polynomial", power=1, **keys)
    steps = range(total)
    assert [power.multiplier(s, total) for s in steps] == [linear.multiplier(s, total) for s in steps]


@given(st.integers(1, 400), st.integers(1, 399))
def test_a_milestone_that_means_a_whole_step_is_met_at_it(total, step):
    assume(step < total)
    schedule = Schedule("step", milestones=[step / total], factor=0.5)
    assert [schedule.multiplier(s, total) for s in (step - 1, step)] == [1, 0.5]


def test_equal_schedules_are_one_and_share_a_pack():
    one = Schedule("one-cycle", warmup=0.3, div_factor=25.0)
    assert (one, hash(one)) == (Schedule("one-cycle"), hash(Schedule("one-cycle")))
    mine = Schedule("mine:decay", options={"b": [1, 2], "a": 0.5})
    assert mine == Schedule("mine:decay", options=(("a", 0.5), ("b", (1, 2))))
    assert mine.values() == {"name": "mine:decay", "a": 0.5, "b": (1, 2)}
    first = TrialSettings("sgd", {"lr": 0.1, "weight_decay": 0.0}, schedule=mine)
    other = TrialSettings("sgd", {"lr": 0.1, "weight_decay": 0.0}, schedule=Schedule("mine:decay"))
    assert len({signature(first), signature(other)}) == 2


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Make the module ``rates_of_mine``."""
    text = (
        "def decay(step, total_steps, rate=1.0):\n    return 1 / (1 + rate * step / total_steps)\n"
        "def broken(step, total_steps):\n    return -1.0 if step else 1.0\n"
        "def text(step, total_steps):\n    return 'much'\n"
    )
    (tmp_path / "rates_of_mine.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_of_ones_own_gives_the_rates(own):
    schedule = Schedule("rates_of_mine:decay", options={"rate": 4})
    assert [schedule.multiplier(step, 4) for step in range(4)] == [1, 1 / 2, 1 / 3, 1 / 4]
    with pytest.raises(
        ValueError, match="broken must return a finite number from 0 on, but returned -1.0 at step 1 of 4"
    ):
        Schedule("rates_of_mine:broken").multiplier(1, 4)
    with pytest.raises(ValueError, match="but returned 'much'"):
        Schedule("rates_of_mine:text").multiplier(1, 4)
    with pytest.raises(
        ValueError, match="cannot be imported: rates_of_mine has no 'decya'; did you mean 'decay'"
    ):
        Schedule("rates_of_mine:decya").multiplier(0, 4)


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("polynomial", power=2, warmup=0.2),
        Schedule("step", milestones=[0.5, 0.75], factor=0.1),
        Schedule("one-cycle"),
        Schedule("rates_of_mine:decay", options={"rate": 2.0}),
    ],
    ids=lambda schedule: schedule.name,
)
def test_a_pack_gives_what_its_trials_give_alone(own, schedule):
    generator = torch.Generator().manual_seed(0)
    parts = [Split(torch.randn(24, 4, generator=generator), torch.arange(24) % 3) for _ in range(3)]
    task = Task("tiny", *parts, lambda: torch.nn.Linear(4, 3))
    pack = [
        TrialSettings("adamw", {"lr": lr, "weight_decay": 0.01}, epochs=4, batch_size=8, schedule=schedule)
        for lr in (0.01, 0.1)
    ]
    together = PackTrainer(task, dtype=torch.float64).train([settings.completed() for settings in pack])
    for settings, result in zip(pack, together, strict=True):
        alone = train(task, settings, dtype=torch.float64)
        assert result.metrics == pytest.approx(alone.metrics, rel=1e-9)
