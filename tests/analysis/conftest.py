from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from analysis.task_metric import TaskMetric

Cells = Mapping[tuple[float, float], Sequence[float | str]]


def make_rows(cells: Cells, label: str = "adamw", **columns: object) -> pd.DataFrame:
    """One row per (lr, weight_decay) and seed; a value is a validation error, 'diverged' or 'failed'.

    The test error is the validation error plus 0.01; chance error is 0.9.
    """
    rows = []
    for (lr, decay), values in cells.items():
        for seed, value in enumerate(values):
            status = value if isinstance(value, str) else "completed"
            error = float("nan") if isinstance(value, str) else value
            rows.append(
                {
                    "task": "digits",
                    "optimizer": label.partition("(")[0],
                    "label": label,
                    "lr": lr,
                    "weight_decay": decay,
                    "grad_scale": 1.0,
                    "seed": seed,
                    "role": "grid",
                    "status": status,
                    "chance_accuracy": 0.1,
                    "val_accuracy": 1 - error,
                    "test_accuracy": 1 - error - 0.01,
                }
                | columns
            )
    return pd.DataFrame(rows)


def make_judged(
    cells: Cells, metric: TaskMetric, *, nothing: float, label: str = "adamw", **columns: object
) -> pd.DataFrame:
    """The rows of `make_rows` judged by a metric: a value is that on validation; on test it is 1/64 more."""
    rows = make_rows(cells, label)
    values = [one if not isinstance(one, str) else float("nan") for part in cells.values() for one in part]
    rows = rows.drop(columns=["chance_accuracy", "val_accuracy", "test_accuracy"])
    named = {"metric": metric.name, "metric_unit": metric.unit, "metric_direction": metric.direction}
    numbers = {"chance_metric": nothing, "val_metric": values, "test_metric": np.array(values) + 1 / 64}
    return rows.assign(**named, **numbers).assign(**columns)


HAND: Cells = {
    (0.01, 0.0): [0.30, 0.34],
    (0.01, 1.0): [0.30, 0.30],
    (0.1, 0.0): [0.10, 0.12],
    (0.1, 1.0): [0.12, 0.08],
    (1.0, 0.0): [0.50, 0.50],
    (1.0, 1.0): ["diverged", 0.70],
}


def noisy_plateaus(
    mean: np.ndarray, sd: float, *, labels: int, seeds: int, scales: Sequence[float] = (1.0,), rng: int = 0
) -> pd.DataFrame:
    """Independent studies, one a label, of one true surface (nine cells a decade of lr) and normal noise."""
    lrs = 10.0 ** (np.arange(len(mean)) / 9 - 4)
    names = ["label", "grad_scale", "lr", "seed"]
    index = pd.MultiIndex.from_product([map(str, range(labels)), scales, lrs, range(seeds)], names=names)
    rows = index.to_frame(index=False)
    error = mean[np.searchsorted(lrs, rows["lr"])] + np.random.default_rng(rng).normal(0, sd, len(rows))
    return rows.assign(
        task="plateau", optimizer=rows["label"], weight_decay=0.0, role="grid", status="completed",
        chance_accuracy=0.1, val_accuracy=1 - error, test_accuracy=1 - error,
    )  # fmt: skip


@pytest.fixture(scope="session")
def plateaus() -> Callable[..., pd.DataFrame]:
    return noisy_plateaus


@pytest.fixture(scope="session")
def rows() -> Callable[..., pd.DataFrame]:
    return make_rows


@pytest.fixture(scope="session")
def judged() -> Callable[..., pd.DataFrame]:
    return make_judged


@pytest.fixture(scope="session")
def hand() -> pd.DataFrame:
    """AdamW on a 3 x 2 table and two seeds, whose results are worked out in the tests."""
    return make_rows(HAND)


LABELS = ("ada2ms(mixing=0.5)", "adamw", "sgd")
CURVATURE, TEST_ERROR = (0.022, 0.02, 0.2), (0.1002, 0.12, 0.10)


def make_comparison(task: str = "digits", seeds: int = 3, rng: int = 0) -> pd.DataFrame:
    """A valid comparison on parabolas in log lr, in which the candidate keeps both: S is .0275, .025 and .25.

    Seven learning rates around each label's own best one; at gradient scale 1000 only SGD loses anything (.4).
    Every label has as many fresh seeds at its best cell.
    """
    index = pd.MultiIndex.from_product([LABELS, (1.0, 1e3), np.arange(-3, 4) / 2, range(seeds)])
    grid = index.set_names(["label", "grad_scale", "x", "seed"]).to_frame(index=False).assign(role="grid")
    fresh = grid[(grid["grad_scale"] == 1) & (grid["x"] == 0)].assign(role="confirm")
    rows = pd.concat([grid, fresh.assign(seed=fresh["seed"] + 1000)], ignore_index=True)
    noise = np.random.default_rng(rng).normal(0, 5e-4, (2, len(rows)))
    which = rows["label"].map(dict(zip(LABELS, range(3), strict=True))).to_numpy()
    moved = 0.4 * ((rows["grad_scale"] > 1) & (which == 2))
    error = 0.1 + np.array(CURVATURE)[which] * rows["x"] ** 2 + moved + noise[0]
    test_error = np.array(TEST_ERROR)[which] + error - 0.1 - noise[0] + noise[1]
    columns = {"task": task, "weight_decay": 0.0, "status": "completed", "chance_accuracy": 0.1, "epochs": 5}
    return rows.drop(columns="x").assign(
        optimizer=rows["label"].str.partition("(")[0],
        lr=(0.01 * 10 ** rows["x"]).round(9),
        val_accuracy=1 - error,
        test_accuracy=1 - test_error,
        **columns,
    )


@pytest.fixture(scope="session")
def comparison() -> Callable[..., pd.DataFrame]:
    return make_comparison


EVIL = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="session")
def page_rows() -> pd.DataFrame:
    """For the page: ada2ms at three mixings and an optimizer with a hostile name; 4 lr, 2 decays, 2 scales, 2 seeds.

    Validation error: .1 + .1 |log10 lr + 2| + .2 mixing + .01 seed (plus .3 at gradient scale 100), + .1 for the
    hostile one, whose seed 0 diverges at lr 1 and both seeds at lr 1 and decay .1. (lr 1e-3, decay .1) has no trial
    under ada2ms(mixing=1), and seed 1 failed there at decay 0.
    """
    names = ["optimizer", "mixing", "lr", "weight_decay", "grad_scale", "seed"]
    sizes = ([1e-3, 1e-2, 1e-1, 1.0], [0.0, 0.1], [1.0, 100.0], [0, 1])
    parts = [
        pd.MultiIndex.from_product([[name], mixings, *sizes], names=names).to_frame(index=False)
        for name, mixings in (("ada2ms", [0.0, 0.5, 1.0]), (EVIL, [np.nan]))
    ]
    rows = pd.concat(parts, ignore_index=True)
    evil = rows["optimizer"] == EVIL
    rows["label"] = (rows["optimizer"] + "(mixing=" + rows["mixing"].astype("str") + ")").mask(evil, EVIL)
    error = (
        0.1 + 0.1 * (np.log10(rows["lr"]) + 2).abs() + 0.2 * rows["mixing"].fillna(0) + 0.01 * rows["seed"]
    )
    error += 0.3 * (rows["grad_scale"] > 1) + 0.1 * evil
    lost = evil & (rows["lr"] == 1) & ((rows["seed"] == 0) | (rows["weight_decay"] == 0.1))
    corner = (rows["label"] == "ada2ms(mixing=1.0)") & (rows["lr"] == 1e-3)
    failed = corner & (rows["weight_decay"] == 0) & (rows["seed"] == 1)
    rows = rows.assign(
        trial_id=[f"{number:016x}" for number in range(len(rows))], task="digits", role="grid", epochs=3,
        chance_accuracy=0.1, status=np.select([lost, failed], ["diverged", "failed"], "completed"),
        val_accuracy=(1 - error).mask(failed), test_accuracy=(1 - error - 0.01).mask(failed),
        train_accuracy=(1 - error + 0.02).mask(failed), val_loss=(10 * error).mask(failed | lost),
    )  # fmt: skip
    return rows[~(corner & (rows["weight_decay"] == 0.1))].reset_index(drop=True)


@pytest.fixture(scope="session")
def page_curves(page_rows) -> pd.DataFrame:
    """Of `page_rows`: three epochs, the error coming down from chance in equal steps, the loss 1, 1/2, 1/4."""
    known = page_rows[page_rows["status"] == "completed"]
    parts = []
    for split in ("train", "val", "test"):
        for epoch in range(3):
            accuracy = 0.1 + (known[f"{split}_accuracy"] - 0.1) * epoch / 2
            columns = {"trial_id": known["trial_id"], "epoch": epoch, "split": split, "loss": 0.5**epoch}
            parts.append(pd.DataFrame({**columns, "accuracy": accuracy}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def suite_rows() -> pd.DataFrame:
    """Three tasks: 'digits' judged by macro F1, 'plain' by error and 'text' by a loss; AdamW on 3 lr, 2 seeds.

    At lr 1 both seeds diverged; at lr .1, the best, macro F1 is .75, the error .1 and the loss .5.
    """
    losses = {(0.01, 0.0): [1.0, 1.5], (0.1, 0.0): [0.5, 0.5], (1.0, 0.0): ["diverged", "diverged"]}
    scores = {(0.01, 0.0): [0.5, 0.625], (0.1, 0.0): [0.75, 0.75], (1.0, 0.0): ["diverged", "diverged"]}
    plain = {(0.01, 0.0): [0.3, 0.3], (0.1, 0.0): [0.1, 0.1], (1.0, 0.0): ["diverged", "diverged"]}
    parts = [
        make_judged(
            scores, TaskMetric("macro F1", "%", "max"), nothing=0.25, val_accuracy=0.875, val_loss=2.0
        ),
        make_rows(plain, task="plain", val_loss=0.25),
        make_judged(losses, TaskMetric("loss", "nats"), nothing=2.0, task="text", val_loss=np.nan),
    ]
    rows = pd.concat(parts, ignore_index=True)
    chance = rows["chance_accuracy"].mask(rows["task"] == "digits", 0.125)
    return rows.assign(trial_id=[f"{number:016x}" for number in range(len(rows))], chance_accuracy=chance)


@pytest.fixture(scope="session")
def suite_curves(suite_rows) -> pd.DataFrame:
    """Of `suite_rows` on validation: two epochs, the metric at half of its final value and there."""
    known = suite_rows[suite_rows["status"] == "completed"]
    parts = [
        pd.DataFrame({
            "trial_id": known["trial_id"], "epoch": epoch, "split": "val", "loss": 1.0,
            "accuracy": known["val_accuracy"], "metric": known["val_metric"] * (epoch + 1) / 2,
        })
        for epoch in range(2)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)
