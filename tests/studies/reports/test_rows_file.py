"""Reports on files of rows: from a CSV file to tables, figures and page, alone and beside a study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import studies
from analysis.summaries.tables import made_tables
from studies.cli import app
from studies.reports.suite import Suite
from studies.spec.errors import InputError, StoreError

STORED = Path(__file__).parents[2] / "data" / "study-0.1.0"
MAP = """
columns:
  {optimizer: config.optimizer, lr: config.lr, seed: config.seed, val_accuracy: val/acc, test_accuracy: test/acc}
constants: {task: cifar10, chance_accuracy: 10}
percent: true
"""


def exported():
    """Accuracies in percent, 2 optimizers x 3 rates x 2 seeds, of which one run blew up."""
    index = pd.MultiIndex.from_product([["adamw", "sgd"], [0.001, 0.01, 0.1], [0, 1]])
    table = index.to_frame(index=False, name=["config.optimizer", "config.lr", "config.seed"])
    table["val/acc"] = [60, 62, 90, 88, 40, np.nan, 20, 22, 50, 55, 85, 86]
    table["test/acc"] = table["val/acc"] - 1
    return table


@pytest.fixture
def place(tmp_path):
    exported().to_csv(tmp_path / "rows.csv", index=False)
    exported().to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def give(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_csv_file_becomes_tables_figures_and_a_page(place):
    done = give("report", place / "rows.csv", "--columns", place / "map.yaml", "--out", place / "out")
    assert (done.exit_code, done.stderr) == (0, "")
    metrics = pd.read_csv(place / "out/tables/metrics.csv").set_index("label")
    assert metrics["test_error"].to_dict() == pytest.approx({"adamw": 0.12, "sgd": 0.155})
    assert (place / "out/summary.csv").is_file()
    assert list((place / "out/figures").glob("*.pdf"))
    page = (place / "out/report.html").read_text()
    assert "<title>rows</title>" in page
    assert str(place / "rows.csv") in page


def test_a_parquet_file_says_the_same_as_a_csv_file_and_our_names_need_no_map(place):
    made = studies.report(place / "rows.parquet", out=place / "out", columns=place / "map.yaml")
    from_csv = pd.read_csv(place / "rows.csv")
    ours = {"config.optimizer": "optimizer", "config.lr": "lr", "config.seed": "seed"}
    ours |= {"val/acc": "val_accuracy", "test/acc": "test_accuracy"}
    fractions = from_csv.rename(columns=ours).assign(task="cifar10", chance_accuracy=0.1)
    fractions[["val_accuracy", "test_accuracy"]] /= 100
    fractions.to_csv(place / "ours.csv", index=False)
    same = studies.report(str(place / "ours.csv"), out=place / "again")
    pd.testing.assert_frame_equal(same.summary, made.summary)
    assert (same.verdict, same.notes) == ([], [])


def test_a_file_is_a_workload_beside_a_study(place):
    made = studies.report(STORED, place / "rows.csv", out=place / "both", columns=place / "map.yaml")
    assert made.tables["metrics"]["task"].unique().tolist() == ["cifar10", "digits-mlp"]
    assert "report.html" in made.files


def test_rows_by_a_metric_stand_beside_a_study_by_error(place):
    losses = exported().rename(columns=lambda name: name.removeprefix("config."))
    losses = losses.rename(columns={"val/acc": "val_metric", "test/acc": "test_metric"})
    losses.assign(task="text", metric="loss", metric_direction="min", chance_metric=95).to_csv(
        place / "loss.csv"
    )
    suite = Suite.open([STORED, place / "loss.csv"], place / "out")
    made = made_tables(suite.rows)
    assert made.left_out == {}
    metrics = made.tables["metrics"].set_index("label")
    told = metrics.loc[metrics["task"] == "text", ["test_metric", "metric", "direction"]].to_numpy().tolist()
    assert told == [
        [60.0, "loss", "min"],
        [20.0, "loss", "min"],
    ]  # lr 0.1: 40, and 95 for the run that blew up


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MAP.replace("seed: config.seed, ", ""),
            "rows.csv: the runs need seed \\(the integer seed of the run\\): name",
        ),
        (
            MAP.replace("val/acc", "val/ac"),
            "rows.csv: columns\\['val_accuracy'\\] .* got 'val/ac', .*mean 'val/acc'",
        ),
        (
            MAP.replace("percent: true", ""),
            "rows.csv: chance_accuracy must hold fractions, but got 10: divide",
        ),
        (
            MAP.replace("constants", "constant"),
            "map.yaml: constant: .*: unknown key; allowed: columns, constants",
        ),
        (MAP.replace("lr: config.lr", "lr: 3"), "map.yaml: columns.lr: 3: must be text"),
        (
            MAP.replace("lr: config.lr", "lr: config.optimizer"),
            "rows.csv: lr must hold the peak learning rate",
        ),
        ("[1]", "map.yaml: must be a YAML mapping"),
    ],
)
def test_what_is_missing_is_one_line_with_the_file_and_what_is_wanted(place, text, message):
    (place / "map.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        studies.report(place / "rows.csv", out=place / "out", columns=place / "map.yaml")
    assert "\n" not in str(caught.value)
    assert not (place / "out").exists()


def test_files_that_cannot_be_reported_on_are_one_line(place):
    done = give("report", place / "rows.csv", "--out", place / "out")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "rows.csv: the runs need task (the task's name); optimizer" in done.stderr
    with pytest.raises(StoreError, match="--out: .*rows.csv: the report of a file needs a folder"):
        studies.report(place / "rows.csv")
    with pytest.raises(InputError, match="--columns: .*map.yaml: is for files of rows .*, and none is given"):
        studies.report(place, out=place / "out", columns=place / "map.yaml")
    with pytest.raises(InputError, match="missing.csv: cannot be read: FileNotFoundError"):
        studies.report(place / "missing.csv", out=place / "out")
    (place / "broken.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="broken.parquet: cannot be read: ArrowInvalid"):
        studies.report(place / "broken.parquet", out=place / "out")
    (place / "empty.csv").write_text("lr,seed\n")
    with pytest.raises(InputError, match="empty.csv: holds no row"):
        studies.report(place / "empty.csv", out=place / "out")
    with pytest.raises(StoreError, match="holds the task 'cifar10', and so does"):
        studies.report(
            place / "rows.csv", place / "rows.parquet", out=place / "o", columns=place / "map.yaml"
        )
