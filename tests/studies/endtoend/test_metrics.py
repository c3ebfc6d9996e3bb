"""Tasks judged by a loss, a score of one's own or bits per character, from the study file to report and page."""

import io
import math
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from sklearn.metrics import f1_score

import studies
from studies.reports.report import report
from studies.reports.verdict import judged
from studies.spec.study import StudySpec
from studies.sweep.replay import replay
from studies.terminal.study import print_metrics, print_report
from studies.terminal.watch import watch

TASKS = """
import torch
from torch import nn
from robustness.tasks import Metric, Split, Task

INPUTS = torch.randn(180, 4, generator=torch.Generator().manual_seed(0))

def splits(targets):
    return [Split(INPUTS[start::3], targets[start::3]) for start in range(3)]

def line():
    loss = nn.functional.mse_loss
    parts = splits(INPUTS.sum(1, keepdim=True))
    return Task("line", *parts, lambda: nn.Linear(4, 1), loss=loss, correct=None)

def macro_f1(outputs, targets):
    from sklearn.metrics import f1_score
    return f1_score(targets, outputs.argmax(-1), average="macro", zero_division=0)

def three():
    metric = Metric("macro F1", "max", unit="%", function=macro_f1, over="split")
    return Task("three", *splits(INPUTS[:, :3].argmax(1)), lambda: nn.Linear(4, 3), metric=metric)
"""
STUDY = """
name: {name}
task: {task}
budget: {{epochs: 2, batch_size: 20}}
seeds: 2
grid: {{lr: [0.003, 0.03, 0.3], weight_decay: [0]{grid}}}
optimizers: {{adamw: {{}}, sgd: {{}}{optimizers}}}
{keys}
"""
VERDICT = "verdict: {candidate: 'ada2ms(mixing=0.5)', margins: {generalization_share: 0.02}}"
TEXT = "the quick brown fox jumps over the lazy dog and runs away from it again. " * 30


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Run one study of each task; return the folder that holds theirs."""
    place = tmp_path_factory.mktemp("metrics")
    (place / "metrictasks.py").write_text(TASKS)
    (place / "text.txt").write_text(TEXT)
    text = f"{{name: char-lm, text: {place}/text.txt, context: 8, width: 8, depth: 1, heads: 2}}"
    made = {
        "line": {"task": "metrictasks:line", "grid": ", grad_scale: [1, 10]"},
        "three": {"task": "metrictasks:three", "optimizers": ", ada2ms: {mixing: 0.5}", "keys": VERDICT},
        "text": {"task": text},
        "digits": {"task": "digits-mlp", "grid": ", grad_scale: [1, 10]", "keys": "metric: loss"},
    }
    for name, given in made.items():
        values = {"name": name, "grid": "", "optimizers": "", "keys": ""} | given
        (place / f"{name}.yaml").write_text(STUDY.format(**values))
        outcome = studies.run(str(place / f"{name}.yaml"), out=place / name, workers=0)
        assert (outcome.failed, outcome.missing, outcome.left_out) == ([], 0, [])
    return place


@pytest.fixture(scope="module")
def three(folders):
    return report(folders / "three")


@pytest.fixture(scope="module")
def suite(folders):
    """A report of two metrics, one to be minimized and one to be maximized."""
    return report(folders / "line", folders / "three", out=folders / "suite")


def table(folder, name):
    return pd.read_csv(folder / name).astype({"unit": object}).fillna({"unit": ""})


def screen_of(show):
    screen = Console(file=io.StringIO(), width=160)
    show(screen)
    return " ".join(screen.file.getvalue().split())


METRICS = [
    ("line", "loss", "", "min", "val loss test loss", r"Test loss\b(?!,)"),
    ("three", "macro F1", "%", "max", "val macro F1 % test macro F1 %", r"Test macro F1, \\%"),
    (
        "text",
        "bits per character",
        "bits",
        "min",
        "val bits per character test",
        r"Test bits per character, bits",
    ),
    ("digits", "loss", "nats", "min", "val loss test loss", "Test loss, nats"),
]


@pytest.mark.parametrize(("name", "metric", "unit", "direction", "header", "latex"), METRICS)
def test_tables_files_and_screens_say_the_metric_and_its_unit(
    folders, name, metric, unit, direction, header, latex
):
    folder = folders / name
    summary, metrics = table(folder, "summary.csv"), table(folder, "tables/metrics.csv")
    for made in (summary, metrics):
        assert set(made["metric"]) == {metric}
        assert set(made["unit"]) == {unit}
        assert set(made["direction"]) == {direction}
        assert not [column for column in made if "accuracy" in column or "error" in column]
    best_first = summary["test_metric"] * (1 if direction == "min" else -1)
    assert best_first.is_monotonic_increasing
    text = screen_of(lambda screen: print_report(screen, summary, "there", []))
    assert header in text
    assert "accuracy" not in text
    assert unit in ("", "%") or f", in {unit}: there, over seeds" in text
    text = screen_of(lambda screen: print_metrics(screen, {"metrics": metrics}))
    assert f"a better test {metric}" in text
    assert re.search(latex, (folder / "tables/metrics.tex").read_text())
    assert f"validation {metric}" in screen_of(lambda screen: watch(folder, screen, once=True))
    assert (folder / "figures/lr-weight-decay.pdf").stat().st_size > 1000


def test_the_page_is_of_the_metric(folders, three):
    page = (folders / "three" / "report.html").read_text("utf-8")
    assert "macro F1" in page
    assert "no accuracy in these rows" not in page
    assert three.left_out == []


def test_without_a_word_a_regression_is_judged_by_its_loss_and_text_by_bits(folders):
    rows = studies.load(folders / "line")
    assert rows["val_metric"].tolist() == rows["val_loss"].tolist()
    assert rows["val_accuracy"].isna().all()
    rows = studies.load(folders / "text")
    assert rows["test_metric"].tolist() == pytest.approx(
        (rows["test_loss"] / math.log(2)).tolist(), rel=1e-12
    )


def test_what_knowing_nothing_gives_is_that_of_the_best_constant(folders):
    # the line's targets have zero intercept: the best constant predicts their mean on the training split
    torch_rows = studies.load(folders / "line")
    assert torch_rows["chance_metric"].nunique() == 1
    best = torch_rows["val_metric"].min()
    assert best < torch_rows["chance_metric"].iloc[0]
    f1 = studies.load(folders / "three")["chance_metric"].iloc[0]
    # one class of three, always: its precision is its share, its recall 1, and the others have 0
    assert 0 < f1 < 1 / 3
    constant = [0] * 20 + [1] * 21 + [2] * 19
    assert f1 == pytest.approx(f1_score(constant, [1] * 60, average="macro", zero_division=0), abs=0.03)


def test_a_score_is_selected_where_it_is_largest(folders, three):
    rows = studies.load(folders / "three")
    means = rows.groupby(["label", "lr"])["val_metric"].mean()
    for row in three.summary.itertuples():
        assert row.best_lr == means[row.label].idxmax()
        assert row.val_metric == pytest.approx(means[row.label].max(), abs=1e-12)


def test_a_verdict_in_shares_of_what_can_be_learned(folders, three):
    spec = StudySpec.from_yaml(folders / "three.yaml")
    assert spec.verdict.margins.generalization_share == 0.02
    (verdict,) = judged(spec.verdict, studies.load(folders / "three")).by_candidate.values()
    assert verdict.parts.loc["G", "declared"] == 0.02
    (text,) = three.verdict
    assert text == verdict.summary()
    line = next(line for line in text.splitlines() if line.startswith("G, "))
    assert line.startswith("G, test macro F1 E")
    assert "% of D_w" in line


def test_the_summary_of_a_loss_is_that_of_its_rows_by_hand(folders):
    rows = studies.load(folders / "digits")
    rows = rows[rows["label"] == "sgd"]
    summary = table(folders / "digits", "summary.csv").set_index("label").loc["sgd"]
    metrics = table(folders / "digits", "tables/metrics.csv").set_index("label").loc["sgd"]
    everyone = studies.load(folders / "digits")
    nothing = everyone["chance_metric"].iloc[0]

    def surface(one, scale):
        """Validation losses [seed, lr] at a gradient scale, none above that of knowing nothing."""
        own = one[one["grad_scale"] == scale].sort_values(["seed", "lr"])
        losses = own["val_loss"].where(own["status"] == "completed", nothing).clip(upper=nothing)
        return losses.to_numpy().reshape(2, 3)

    losses, rates = surface(rows, 1), np.sort(rows["lr"].unique())
    best = losses.mean(0).argmin()
    assert summary["best_lr"] == rates[best]
    assert summary["val_metric"] == pytest.approx(losses.mean(0)[best], abs=1e-9)
    at_best = rows[(rows["grad_scale"] == 1) & (rows["lr"] == rates[best])]
    tested = at_best["test_loss"].clip(upper=nothing).to_numpy()
    reach = stats.t.ppf(0.975, 1) * tested.std(ddof=1) / math.sqrt(2)
    ends = [tested.mean(), tested.mean() - reach, tested.mean() + reach]
    assert summary[["test_metric", "test_metric_low", "test_metric_high"]].tolist() == pytest.approx(ends)

    gap = nothing - min(surface(one, 1).mean(0).min() for _, one in everyone.groupby("label"))
    sensitivities, regrets = [], []
    for seed, other in ((0, 1), (1, 0)):
        # the cell that a seed is measured from is chosen by the other one
        chosen = losses[other].argmin()
        near = np.abs(np.log10(rates / rates[chosen])) <= 1.5 + 1e-9
        lost = np.minimum(1, (losses[seed] - losses[seed][chosen]) / gap)
        sensitivities.append(lost[near].mean())
        regrets.append(min(1, (surface(rows, 10)[seed][chosen] - losses[seed][chosen]) / gap))
    assert summary["sensitivity"] == pytest.approx(np.mean(sensitivities), abs=1e-9)
    assert metrics["transfer_regret"] == pytest.approx(np.mean(regrets), abs=1e-9)


def test_a_suite_of_several_metrics_is_one_report(folders, suite):
    assert dict(zip(suite.summary["task"], suite.summary["metric"], strict=True)) == {
        "metrictasks:line": "loss",
        "metrictasks:three": "macro F1",
    }
    text = screen_of(lambda screen: print_report(screen, suite.summary, "there", suite.files))
    assert "metric unit lr wd val test" in text
    assert "macro F1" in (folders / "suite/report.html").read_text("utf-8")
    assert suite.verdict == ["No verdict: the studies declare different ones."]


def test_a_trial_judged_by_a_metric_comes_back(folders, monkeypatch):
    monkeypatch.syspath_prepend(str(folders))
    row = studies.load(folders / "three").iloc[0]
    again = replay(folders / "three", row["trial_id"])
    assert again.equal, again.table
    assert {"train_metric", "val_metric", "test_metric"} <= set(again.table["number"])
