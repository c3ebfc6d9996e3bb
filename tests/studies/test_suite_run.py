"""A suite of workloads, from its file to its report: run, killed, changed, refused."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import studies
from studies import (
    SpecError,
    StoreError,
    StudySpec,
    SuiteSpec,
    figures,
    load,
    load_curves,
    replay,
    report,
    run,
    status,
)
from studies.store.files import Files
from studies.store.lock import Lock
from studies.study_plan import plan_study

SUITE = """
name: pilot
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: {decades: 1, points: 2}, weight_decay: [0]}
optimizers: {adamw: {lr: 0.01}, sgd: {lr: 0.1}, ada2ms: {lr: 0.01, mixing: 0.5}}
verdict: {candidate: ada2ms(mixing=0.5)}
workloads:
- {name: digits, task: digits-mlp}
- {name: wide, task: digits-mlp, budget: {batch_size: 128}, optimizers: {sgd: {lr: 0.3}}}
- {name: logistic, task: digits-logistic, grid: {lr: {decades: 2}}}
"""
WORKLOADS = ["digits", "wide", "logistic"]
TRIALS = 6 + 6 + 6
SAME = r"workloads\[1\]: 'wide': must differ from 'digits' in task, options, data"
# what a disturbance may change: times, and how trials came together
INCIDENTAL = ["wall_seconds", "pack_id", "worker"]


def run_it(suite, out):
    return run(suite, out=out, workers=0, engine="sequential")


def table(folder):
    return load(folder).drop(columns=INCIDENTAL)


def tables(folder):
    """Return the content of every table of a report, by its name."""
    names = [folder / "summary.csv", *sorted((folder / "tables").iterdir())]
    return {path.name: path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def out(suite):
    outcome = run_it(suite, suite.parent / "out")
    assert (len(outcome.rows), outcome.failed, outcome.missing) == (TRIALS, [], 0)
    assert len(outcome.verdict) == 1
    pd.testing.assert_frame_equal(outcome.rows, load(suite.parent / "out"))
    return suite.parent / "out"


def test_each_workload_is_a_study_in_a_folder_of_its_own(suite, out):
    spec = SuiteSpec.from_yaml(suite)
    assert SuiteSpec.from_yaml(out / "study.yaml") == spec
    for study in spec.studies:
        assert StudySpec.from_yaml(out / study.workload / "study.yaml") == study
    rows = load(out)
    assert rows["workload"].value_counts(sort=False).to_dict() == {"digits": 6, "wide": 6, "logistic": 6}
    assert rows.equals(pd.concat([load(out / name) for name in WORKLOADS], ignore_index=True))
    assert set(load_curves(out)["trial_id"]) == set(rows["trial_id"])
    assert set(pd.read_csv(out / "summary.csv")["task"]) == set(WORKLOADS)


def test_the_report_of_a_suite_is_that_of_three_studies(suite, out, tmp_path):
    for study in SuiteSpec.from_yaml(suite).studies:
        run_it(study, tmp_path / study.workload)
    report(*(tmp_path / name for name in WORKLOADS), out=tmp_path / "together")
    assert tables(tmp_path / "together") == tables(out)
    written = report(out)
    assert tables(tmp_path / "together") == tables(out)
    assert written.location == str(out)
    assert (out / "report.html").is_file()


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from studies.suite_run import run

suite, out, kills, trials = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
moments, rows = random.Random(0), "*/rows/*.parquet"
for number in range(kills):
    kept = len([*out.glob(rows)])
    wanted = moments.randint(kept, max(kept, trials * (number + 1) // kills))
    driver = os.fork()  # what takes seconds to import is imported once
    if not driver:
        run(suite, out=out, workers=0, engine="sequential")
        os._exit(0)
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while len([*out.glob(rows)]) < wanted and os.waitid(os.P_PID, driver, ended) is None:
        time.sleep(0.01)
    time.sleep(moments.uniform(0, 0.3))
    os.kill(driver, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(driver, 0)[1]))
"""


def test_a_suite_that_is_killed_ten_times_goes_on_to_the_same_tables(suite, out, tmp_path):
    command = [sys.executable, "-c", KILLED, str(suite), str(tmp_path / "out"), "10", str(TRIALS)]
    ends = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert len(ends) == 10
    assert {*ends} <= {"-9", "0"}  # killed, or at its end before that
    run_it(suite, tmp_path / "out")
    pd.testing.assert_frame_equal(table(tmp_path / "out"), table(out), check_exact=True)
    assert tables(tmp_path / "out") == tables(out)


def test_a_workload_without_rows_is_left_out_with_a_line(out, tmp_path):
    shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "wide" / "rows")
    reason = "holds no finished trial yet"
    written = report(tmp_path / "out")
    assert written.notes == [f"{tmp_path / 'out' / 'wide'}: {reason}"]
    assert set(written.summary["task"]) == {"digits", "logistic"}
    drawn = figures(tmp_path / "out", only=["profile"], formats=["png"])
    assert drawn.left_out[f"figure of {tmp_path / 'out' / 'wide'}"] == reason
    assert set(load(tmp_path / "out")["workload"]) == {"digits", "logistic"}


def test_status_and_replay_know_the_workloads(out):
    counts = status(out).set_index(["workload", "optimizer"])
    assert counts.loc[("wide", "sgd"), ["planned", "completed"]].tolist() == [2, 2]
    assert counts.loc[("logistic", "all"), "planned"] == 6
    assert counts.loc[("all", "all"), ["planned", "missing"]].tolist() == [TRIALS, 0]
    trial = load(out / "logistic")["trial_id"][2]
    assert replay(out, trial).equal


def test_a_plan_is_that_of_each_workload_and_of_all(suite, out, tmp_path):
    forecast = plan_study(suite, out=tmp_path / "new", workers=0, engine="sequential")
    one = {name: len(workload.plan.trials) for name, workload in forecast.workloads.items()}
    assert one == {"digits": 6, "wide": 6, "logistic": 6}
    assert forecast.cost.disk == sum(workload.cost.disk for workload in forecast.workloads.values())
    assert not (tmp_path / "new").exists()
    stored = plan_study(suite, out=out, workers=0, engine="sequential")
    assert [workload.plan.pending for workload in stored.workloads.values()] == [0, 0, 0]


def test_a_workload_that_is_new_is_run_and_one_that_is_gone_is_hidden(tmp_path):
    before, others = SUITE.split("- {name: wide")[0], SUITE.split("- {name: digits, task: digits-mlp}\n")
    (tmp_path / "suite.yaml").write_text(before)
    first = run_it(tmp_path / "suite.yaml", tmp_path / "out")
    assert len(first.rows) == 6
    (tmp_path / "suite.yaml").write_text("".join(others))
    second = run_it(tmp_path / "suite.yaml", tmp_path / "out")
    assert second.notes[0].endswith("no longer asked for, so hidden and not deleted: digits (6 rows)")
    assert set(load(tmp_path / "out")["workload"]) == {"wide", "logistic"}
    assert len(load(tmp_path / "out" / "digits")) == 6


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "digits-logistic",
            "char-lm, metric: nonsense",
            r"workloads\[2\]: metric: must be .* but got 'nonsense'",
        ),
        (
            "digits-logistic",
            "{name: digits-mlp, width: 3}",
            r"workloads\[2\]: task: 'digits-mlp': got an unexpected",
        ),
        ("budget: {batch_size: 128}", "confirm: 1", SAME),
        ("budget: {batch_size: 128}", "seeds: [7]", SAME),
        ("budget: {batch_size: 128}", "grid: {lr: {decades: 2}}", SAME),
        ("budget: {batch_size: 128}", "metric: loss", SAME),
        ("name: wide", "name: driver-1.lock", r"workloads\[1\].name: 'driver-1.lock': must be none of"),
        ("name: wide", "name: tables", r"workloads\[1\].name: 'tables': must be none of"),
    ],
)
def test_a_workload_that_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, old, new, line
):
    monkeypatch.chdir(tmp_path)
    assert old in SUITE
    (tmp_path / "suite.yaml").write_text(SUITE.replace(old, new))
    with pytest.raises(SpecError, match=f"^suite.yaml: {line}"):
        run_it("suite.yaml", None)
    assert os.listdir(tmp_path) == ["suite.yaml"]


def test_a_suite_and_a_study_do_not_take_each_others_folder(suite, out, tmp_path):
    alone = SuiteSpec.from_yaml(suite).studies[2]
    with pytest.raises(StoreError, match="holds a suite of workloads called 'pilot', and this is a study"):
        run_it(alone, out)
    run_it(alone, tmp_path / "alone")
    with pytest.raises(StoreError, match="holds a study called 'pilot', and this is a suite"):
        run_it(suite, tmp_path / "alone")


@pytest.mark.parametrize("place", [".", "wide"])
def test_a_suite_has_one_driver(suite, out, place):
    with Lock(Files(out / place)), pytest.raises(StoreError, match="another driver is at work"):
        run_it(suite, out)


def test_failures_are_named_by_their_workload(tmp_path):
    (tmp_path / "broken.py").write_text(
        "import torch\n"
        "class Broken(torch.optim.SGD):\n"
        "    def __init__(self, params, lr=0.1, after=1000):\n"
        "        super().__init__(params, lr=lr)\n"
        "        self.after = after\n"
        "    def step(self, closure=None):\n"
        "        self.after -= 1\n"
        "        if self.after < 0 and self.param_groups[0]['lr'] > 0.2:\n"
        "            raise RuntimeError('worn out')\n"
        "        return super().step(closure)\n"
    )
    (tmp_path / "suite.yaml").write_text(
        "name: p\nbudget: {epochs: 1, batch_size: 64}\ngrid: {lr: [0.1], weight_decay: [0]}\n"
        "optimizers: {broken: {optimizer: 'broken:Broken', after: 3}}\n"
        "workloads:\n- {name: a, task: digits-logistic, grid: {lr: [0.1, 0.3]}}\n- {name: b, task: digits-mlp}\n"
    )
    outcome = run_it(tmp_path / "suite.yaml", tmp_path / "out")
    assert len(outcome.failed) == 1
    assert outcome.failed[0].startswith("a: ")
    assert "worn out" in outcome.failed[0]
    assert outcome.rows["status"].tolist().count("completed") == 2


def test_a_search_goes_through_the_workloads(tmp_path):
    (tmp_path / "suite.yaml").write_text(
        "name: hunt\nbudget: {epochs: 1, batch_size: 64}\n"
        "grid: {lr: {decades: 2, points: 3}, weight_decay: [0]}\n"
        "optimizers: {adamw: {lr: 0.01}, ada2ms: {lr: 0.01}}\n"
        "search: {optimizer: ada2ms, space: {mixing: [0.25, 0.75]}, objectives: val_error, trials: 1}\n"
        "workloads:\n- {name: a, task: digits-logistic}\n- {name: b, task: digits-mlp, search: {trials: 2}}\n"
    )
    found = studies.search(tmp_path / "suite.yaml", out=tmp_path / "out", workers=0, engine="sequential")
    assert {name: len(result.points) for name, result in found.items()} == {"a": 1, "b": 2}
    assert (tmp_path / "out" / "b" / "search" / "points.csv").is_file()
    assert status(tmp_path / "out")["missing"].tolist()[-1] == 0
    (tmp_path / "plain.yaml").write_text(SUITE)
    with pytest.raises(SpecError, match=r"workloads\[0\]: search: is required"):
        studies.search(tmp_path / "plain.yaml", out=tmp_path / "plain", workers=0)
