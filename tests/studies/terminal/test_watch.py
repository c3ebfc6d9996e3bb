"""Watching a study: what is shown while trials are missing, and when all are there."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

import studies
from studies.store.lock import Lock, drivers
from studies.store.store import Store
from studies.terminal.watch import by_worker, headline, rate, snapshot, watch

STUDY = """
name: watched
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 2
grid: {lr: [0.01, 0.1, 1.0e+9], weight_decay: [0], grad_scale: [1]}
optimizers: {sgd: {momentum: 0.9}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("watched")
    (place / "s.yaml").write_text(STUDY)
    studies.run(str(place / "s.yaml"), out=place / "out", workers=0)
    return place / "out"


@pytest.fixture
def half(folder, tmp_path):
    """A copy in which two of the lr's are not trained yet."""
    shutil.copytree(folder, tmp_path / "half")
    text = (folder / "study.yaml").read_text()
    (tmp_path / "half/study.yaml").write_text(text.replace("0.01,", "0.01, 0.001, 0.002,"))
    return tmp_path / "half"


def shown(location):
    console = Console(width=100, file=io.StringIO())
    watch(location, console, once=True)
    return console.file.getvalue()


def test_a_complete_study_ends_the_view(folder):
    text = shown(folder)
    assert "watched: 6/6 trials, 2 diverged, 0 failed" in text
    assert "complete" in text.splitlines()[0]
    line = next(line for line in text.splitlines() if "c=1 wd=0" in line)
    errors = 100 * (1 - studies.load(folder).groupby("lr")["val_accuracy"].mean())
    assert line.split()[2:] == [f"{errors[0.01]:.0f}", f"{errors[0.1]:.0f}", "xx"]
    assert "sgd" in text
    worker = next(line for line in text.splitlines() if f":{os.getpid()} " in line)
    assert worker.split()[1:4] == ["cpu", str(studies.load(folder)["engine"].iloc[0]), "6"]


def test_a_suite_shows_all_workloads_and_the_surfaces_of_the_one_at_work(folder, half, tmp_path):
    suite = tmp_path / "suite"
    for name, source in {"first": folder, "second": half}.items():
        shutil.copytree(source, suite / name)
        with (suite / name / "study.yaml").open("a") as file:
            file.write(f"workload: {name}\n")
    (suite / "study.yaml").write_text("name: watched\nworkloads: [{name: first}, {name: second}]\n")
    text = shown(suite)
    words = " ".join(text.split())
    assert text.startswith("watched: 12/16 trials, 4 diverged, 0 failed")
    assert "missing ─" in words
    assert "first 6 4 2 0 0 second 10 4 2 0 4" in words
    assert "watched/second: 6/10 trials, 2 diverged, 0 failed" in words
    assert "watched/first:" not in words
    assert text.count("not running") == 2
    shutil.copytree(suite / "first" / "rows", suite / "second" / "rows", dirs_exist_ok=True)
    (suite / "second" / "study.yaml").write_text((suite / "first" / "study.yaml").read_text())
    assert shown(suite).splitlines()[0].endswith("complete")


def test_rows_without_accuracies_are_counted_without_surfaces(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "r")
    lacking = ("chance_accuracy", "val_accuracy", "test_accuracy", "metric")
    rows = studies.load(folder).assign(**dict.fromkeys(lacking))
    store = Store(tmp_path / "r")
    with store.driving():
        store.append(rows.astype(object).where(rows.notna(), None).to_dict("records"), [])
    text = shown(tmp_path / "r")
    assert "watched: 6/6 trials" in text
    assert "no accuracy in these rows" in text
    assert "c=1 wd=0" not in text


def test_many_workers_are_a_few_lines_and_one_of_the_rest(folder):
    rows = pd.concat([studies.load(folder)] * 4, ignore_index=True)  # 24 rows
    rows["worker"] = [f"node:{pid}" for pid in range(1, 19)] + ["node:1"] * 5 + [None]
    console = Console(width=100, file=io.StringIO())
    console.print(by_worker(rows))
    told = [line.split() for line in console.file.getvalue().splitlines()]
    busiest = next(line for line in told if line and line[0].startswith("node"))
    assert [busiest[0], busiest[3]] == ["node:1", "6"]
    rest = next(line for line in told if "more" in line)
    assert rest[:3] == ["3", "more", "3"]


def test_what_is_not_trained_yet_is_dots_and_nobody_runs_it(half):
    text = shown(half)
    assert "6/10 trials" in text
    assert "not running" in text
    line = next(line for line in text.splitlines() if "c=1 wd=0" in line)
    assert line.split()[2:4] == ["··", "··"]


def test_the_rate_is_what_was_seen_and_the_rest_follows_from_it(half):
    now = snapshot(half)
    progress = replace(now.progress, rows=now.progress.rows.iloc[:2])
    before = replace(now, progress=progress, at=now.at - 8)
    assert rate([before, now]) == pytest.approx((6 - 2) / 8)
    assert rate([replace(now, busy_seconds=12.0)]) == pytest.approx(6 / 12)
    assert rate([replace(now, busy_seconds=0.0)]) is None
    running = replace(now, drivers=["host here"])
    assert headline([replace(before, drivers=["host here"]), running]).endswith("0.5 trials/s, ETA 0:00:08")


def test_a_living_driver_is_known_without_its_lock(half):
    store = Store(half)
    assert drivers(store.files) == []
    with Lock(store.files):
        found = drivers(store.files)
        assert [driver.pid for driver in found] == [os.getpid()]
        assert "not running" not in shown(half)


def test_the_view_ends_when_the_last_trial_is_stored(half):
    console = Console(width=100, file=io.StringIO())
    watching = threading.Thread(target=watch, args=(half, console))
    watching.start()
    studies.run(str(half / "study.yaml"), out=half, workers=0)
    watching.join(timeout=300)
    assert not watching.is_alive()
    assert "10/10 trials" in console.file.getvalue()
    assert "complete" in console.file.getvalue()


@pytest.fixture
def _heeds_ctrl_c():
    """Heed SIGINT, as children then do too: tests that were started in the background may be told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_ctrl_c")
def test_ctrl_c_ends_the_view_and_is_no_error(half):
    command = [sys.executable, "-m", "studies.cli", "watch", str(half)]
    screen = os.environ | {"FORCE_COLOR": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=screen) as watching:
        seen = b""
        while b"6/10 trials" not in seen:
            byte = watching.stdout.read(1)
            assert byte, seen
            seen += byte
        watching.send_signal(signal.SIGINT)
        _, error = watching.communicate(timeout=300)
    assert (watching.returncode, error) == (0, b"")
