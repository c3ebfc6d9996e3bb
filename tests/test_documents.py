"""What the documents show is run as it is written, and the lists in them are complete."""

import importlib
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import analysis
import robustness.optimizers
import robustness.tasks
import robustness.training
import studies
from robustness.optimizers import OPTIMIZERS, RULES
from robustness.training import Checkpoint, Schedule, Training
from robustness.training.schedules.shapes import SHAPES, keys_of
from studies.cli import app
from studies.planning.workers import Workers
from studies.spec.presets import presets
from studies.spec.protocols import PROTOCOLS
from studies.store.schema import CURVE_SCHEMA, DIAGNOSTIC_SCHEMA, ROW_SCHEMA
from studies.sweep.cluster import connected

ROOT = Path(__file__).parents[1]
LONGEST = 30
TYPES = {"double": "number", "int64": "integer", "string": "text", "bool": "true or false"}
REFERENCES = {
    "optimizers": robustness.optimizers,
    "tasks": robustness.tasks,
    "training": robustness.training,
    "studies": studies,
    "analysis": analysis,
}


def section(document, title):
    """Return what stands in a document under a heading."""
    text = (ROOT / "docs" / f"{document}.md").read_text()
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def rows_of(text):
    """Return the cells of the tables in a text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith(("| `", "| [`"))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the files of a section of a document and run the rest; return what its Python defines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = {id(registry): dict(registry) for registry in (OPTIMIZERS, RULES, PROTOCOLS)}

    def written(title, document="extending"):
        defined = {}
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", section(document, title), re.S | re.M):
            code_lines = [line for line in code.splitlines() if line.strip()]
            assert len(code_lines) <= LONGEST, code
            if name := re.match(r"# (\w+\.(?:py|yaml))\n", code):
                Path(name[1]).write_text(code)
            elif language == "python":
                exec(code, defined)
            elif language == "sh":
                assert CliRunner().invoke(app, shlex.split(code)[1:]).exit_code == 0
        return defined

    yield written
    for registry in (OPTIMIZERS, RULES, PROTOCOLS):
        registry.clear()
        registry.update(before[id(registry)])


@pytest.fixture(scope="module")
def two_workers():
    """One Ray for all studies that the documents run with two workers."""
    with connected(Workers(count=2)):
        yield


@pytest.mark.ray
def test_a_task_as_written(write, two_workers):
    write("A task")
    rows = studies.load("runs/blobs")
    assert len(rows) == 12
    assert (rows["status"] == "completed").all()
    assert rows["test_accuracy"].max() > 0.95


def test_data_from_a_dataset_as_written(write):
    rows = write("Data from a dataset")["outcome"].rows
    assert set(rows["status"]) == {"completed"}
    assert rows["test_accuracy"].max() == 1


KILLED = """
import os, signal
from robustness.training import Checkpoint
from studies.cli import app
saved, save = [], Checkpoint.save
def killing(self, state):
    save(self, state)
    saved.append(state["epoch"])
    if saved == [1, 2, 1]:  # the first trial is over, the second after its first epoch
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoint.save = killing
app()
"""


def killed_and_resumed(study, monkeypatch):
    """Kill a run of a study file in the middle of its second trial, resume it, and return its rows."""
    arguments = ["run", study, "--workers", "0", "--out", "killed"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (left,) = Path("killed/checkpoints").iterdir()
    assert torch.load(left, weights_only=True)["epoch"] == 1
    assert len(studies.load("killed")) < 2
    loaded, load = [], Checkpoint.load

    def noted(self):
        loaded.append(load(self))
        return loaded[-1]

    monkeypatch.setattr(Checkpoint, "load", noted)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [found["epoch"] for found in loaded if found is not None] == [1]
    return studies.load("killed")


def numbers(rows):
    """Return rows without when and where they were trained."""
    return rows.drop(columns=["wall_seconds", "worker"])


@pytest.mark.ray
def test_a_training_function_as_written_and_killed(write, two_workers, monkeypatch):
    write("A training function of your own")
    rows = studies.load("runs/shifts")
    assert list(rows["status"]) == ["completed"] * 8
    assert rows["test_accuracy"].max() > 0.5
    pd.testing.assert_frame_equal(numbers(killed_and_resumed("shifts.yaml", monkeypatch)), numbers(rows))


@pytest.mark.filterwarnings("ignore")
def test_a_lightning_module_as_written_and_killed(write, monkeypatch):
    pytest.importorskip("lightning", reason="lightning is not installed")
    write("A Lightning module")
    rows = studies.load("runs/light")
    assert list(rows["status"]) == ["completed"] * 8
    assert rows["test_accuracy"].max() > 0.5
    pd.testing.assert_frame_equal(numbers(killed_and_resumed("light.yaml", monkeypatch)), numbers(rows))


@pytest.mark.ray
def test_a_metric_as_written(write, two_workers):
    rows = write("A metric of your own")["outcome"].rows
    assert set(rows["metric"]) == {"macro F1"}
    assert rows["test_metric"].max() > 0.8
    assert rows["chance_metric"].max() < 0.03  # 2 p / (p + 1) / 10, with p = 0.10 the commonest class's share


@pytest.mark.ray
def test_an_optimizer_as_written(write, two_workers):
    outcome = write("An optimizer")["outcome"]
    rows = studies.load("runs/lion").groupby("label")
    assert set(rows["status"].agg(set).explode()) == {"completed"}
    assert rows.size().to_dict() == {
        "lion(beta1=0.9, beta2=0.99)": 2, "lion(beta1=0.95, beta2=0.98)": 2, "nadam(momentum_decay=0.001)": 4,
        "adamw": 4,
    }  # fmt: skip
    assert not outcome.failed
    assert set(outcome.rows["label"]) == {"signum(momentum=0.5)", "signum(momentum=0.9)", "adamw"}
    assert outcome.rows["val_accuracy"].max() > 0.5


@pytest.mark.ray
def test_a_schedule_as_written(write, two_workers):
    write("A schedule")
    rows = studies.load("runs/roots")
    assert list(rows["status"]) == ["completed"] * 2
    assert set(rows["schedule"]) == {"myrates:inverse_root(warmup=5)"}


@pytest.mark.ray
def test_fine_tuning_as_written(write, two_workers, language):
    for name in ("llama", "text.txt"):
        Path(name).symlink_to(language / name)
    write("A study", "finetuning")
    rows = studies.load("runs/tuned")
    assert list(rows["status"]) == ["completed"] * 4
    assert set(rows["metric"]) == {"perplexity"}


def test_rows_from_elsewhere_as_written(write):
    cells = [(name, lr, seed) for name in ("adamw", "sgd") for lr in (0.001, 0.01, 0.1) for seed in (0, 1)]
    runs = pd.DataFrame(cells, columns=["config.optimizer", "config.lr", "config.seed"])
    accuracies = [60, 62, 90, 88, 40, None, 20, 22, 50, 55, 85, 86]
    runs.assign(**{"config.wd": 0, "val/acc": accuracies, "test/acc": accuracies}).to_csv("sweep.csv")
    summary = write("Rows from elsewhere", "columns")["summary"]
    assert summary.set_index("label")["test_accuracy"].to_dict() == {"adamw": 0.89, "sgd": 0.855}
    assert Path("report", "report.html").is_file()
    assert len(pd.read_csv("report/tables/metrics.csv")) == 2


def test_every_schedule_is_listed_with_its_keys():
    rows = rows_of(section("extending", "A schedule"))
    listed = {name: keys for names, keys, _ in rows for name in re.findall(r"`([\w-]+)`", names)}
    assert list(listed) == list(SHAPES)
    for name, keys in listed.items():
        known = {key if default is None else f"{key} ({default:g})" for key, default in keys_of(name).items()}
        assert set(keys.split(", ")) == known


def test_a_protocol_as_written(write):
    study = write("A protocol")["study"]
    assert study.budget.model_dump(exclude_none=True) == {"epochs": 2, "batch_size": 128}
    assert study.schedule == Schedule("linear", warmup=0.1, floor=0.01)
    assert study.training == Training(label_smoothing=0.1, clip_norm=1.0)


def test_every_protocol_is_listed():
    assert [row[0] for row in rows_of(section("extending", "A protocol"))] == [f"`{n}`" for n in PROTOCOLS]


@pytest.mark.parametrize(
    ("title", "schema"),
    [("Rows", ROW_SCHEMA), ("Curves", CURVE_SCHEMA), ("Second moments", DIAGNOSTIC_SCHEMA)],
)
def test_the_columns_are_those_that_are_stored(title, schema):
    rows = rows_of(section("columns", title))
    assert [row[:2] for row in rows] == [[f"`{field.name}`", TYPES[str(field.type)]] for field in schema]
    assert all(len(row[2]) > 2 for row in rows)


def test_the_tables_have_the_columns_that_are_listed():
    trials = studies.load(ROOT / "notebooks" / "data" / "digits")
    tables = {"summary": analysis.summary(trials), **analysis.tables(trials)}
    listed = {row[0]: row[2] for row in rows_of(section("columns", "Tables"))}
    assert [re.match(r"\[`(\w+)`\]", name)[1] for name in listed] == list(tables)
    for columns, table in zip(listed.values(), tables.values(), strict=True):
        assert re.findall(r"`(\w+)`", columns) == list(table.columns)


def test_every_preset_has_its_question():
    text = (ROOT / "docs" / "papers.md").read_text()
    assert [name for name in presets() if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", REFERENCES)
def test_the_reference_has_every_exported_name(name):
    text = (ROOT / "docs" / "reference" / f"{name}.md").read_text()
    shown = [target.rpartition(".")[2] for target in re.findall(r"^::: (\S+)$", text, re.M)]
    assert sorted(shown[1:]) == sorted(REFERENCES[name].__all__)


def test_the_architecture_names_what_there_is():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:robustness|studies|analysis)\.[\w.]+)`", text)
    assert len(named) > 15
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
    rooms = {path.parent.relative_to(ROOT) for path in ROOT.glob("*/*/__init__.py")}
    told = {Path(name) for name in re.findall(r"\*\*`([\w/]+)`\*\*", text)}
    known = {room for room in rooms if room.parts[0] in ("robustness", "studies", "analysis")}
    assert {room.name for room in known} == {room.name for room in told}


def test_every_benchmark_has_its_place():
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    scripts = [
        path for path in (ROOT / "tests" / "benchmarks").glob("*.py") if "__main__" in path.read_text()
    ]
    assert scripts
    assert [path.name for path in scripts if f"`{path.name}`" not in text] == []
