"""A study of a training function: each trial's end is told as what it is, and what holds for tasks holds here."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import studies
from studies.cli import app

MODULE = """
import torch


def train(run, *, target=1.0):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = run.optimizer([weight])
    for epoch in range(run.checkpoint(weight=Weight(weight), optimizer=optimizer) + 1, run.epochs + 1):
        loss = (weight - target).square().sum()
        optimizer.zero_grad()
        loss.backward()
        run.scale_gradients()
        optimizer.step()
        split = {"loss": loss * (float("nan") if run.hyperparameters["lr"] == 0.3 else 1), "metric": 2 * loss}
        if run.hyperparameters["lr"] == 0.4:
            raise OSError("no data")
        others = {} if run.hyperparameters["lr"] == 0.2 else {"val": split}
        run.report(epoch, train=split, test=split, **others)


class Weight:
    def __init__(self, weight):
        self.weight = weight

    def state_dict(self):
        return {"weight": self.weight.detach()}

    def load_state_dict(self, state):
        self.weight.data.copy_(state["weight"])
"""
STUDY = """
name: own
task: {train: "ownloop:train", target: 2}
metric: {name: distance, direction: min, unit: m, nothing: 8}
budget: {epochs: 2, batch_size: 1}
grid: {lr: [0.1, 0.2, 0.3, 0.4], weight_decay: [0], grad_scale: [1, 0.5]}
optimizers: {sgd: {momentum: 0}}
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ownloop", raising=False)
    Path("ownloop.py").write_text(MODULE)
    Path("own.yaml").write_text(STUDY)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_every_end_is_told_as_what_it_is(command):
    planned = command("plan", "own.yaml", "--workers", "0")
    assert planned.exit_code == 0
    assert "not known: the steps of a training function cannot be timed" in planned.output
    assert "no packs: a training function trains one model at a time" in planned.output
    refused = command("run", "own.yaml", "--workers", "0", "--engine", "fused")
    assert refused.exit_code == 2
    assert not Path("runs/own/study.yaml").exists()

    assert command("run", "own.yaml", "--workers", "0").exit_code == 1
    rows = studies.load("runs/own").sort_values(["grad_scale", "lr"]).set_index("lr")
    whole = rows[rows["grad_scale"] == 1]
    assert list(whole["status"]) == ["completed", "failed", "diverged", "failed"]
    assert whole.loc[0.2, "reason"] == (
        "the training function reports no validation split after the last epoch"
    )
    assert whole.loc[0.3, "stopped_step"] == 1
    assert whole.loc[0.4, "reason"].startswith("OSError: no data (ownloop.py:")
    # w = 0 and then 0.1 * 2 * 2 = 0.4: the loss of the second epoch is 1.6 ** 2
    assert whole.loc[0.1, "test_loss"] == pytest.approx(2.56)
    assert whole.loc[0.1, "val_metric"] == pytest.approx(5.12)
    assert rows[rows["grad_scale"] == 0.5].loc[0.1, "test_loss"] == pytest.approx(1.8**2)
    known = whole.loc[0.1, ["metric", "metric_unit", "chance_metric", "task", "task_version", "setup"]]
    assert list(known) == ["distance", "m", 8.0, "ownloop:train", "1", "target=2"]
    again = command("replay", "runs/own", whole.loc[0.1, "trial_id"])
    assert again.exit_code == 0


def test_changed_code_is_asked_about_and_a_version_trains_anew(command):
    command("run", "own.yaml", "--workers", "0")
    before = set(studies.load("runs/own")["trial_id"])
    Path("ownloop.py").write_text(MODULE + "\n# a word more\n")
    sys.modules.pop("ownloop")
    refused = command("run", "own.yaml", "--workers", "0")
    assert refused.exit_code == 2
    assert "has changed since it trained" in refused.output
    assert command("run", "own.yaml", "--workers", "0", "--accept-changed-code").exit_code == 1
    examples = STUDY.replace("target: 2", "target: 2, examples: 9")
    Path("own.yaml").write_text(examples)
    command("run", "own.yaml", "--workers", "0", "--accept-changed-code")
    assert set(studies.load("runs/own")["trial_id"]) == before
    Path("own.yaml").write_text(examples.replace("target: 2", 'target: 2, version: "2"'))
    command("run", "own.yaml", "--workers", "0")
    rows = studies.load("runs/own").set_index("task_version")["trial_id"]
    assert set(rows["1"]) == before
    assert len(set(rows["2"]) - before) == 8


HOSTILE = """
import os
import time

import torch
from torch.utils.data import DataLoader


class Ones:
    def __init__(self, end):
        self.end = end

    def __len__(self):
        return 8

    def __getitem__(self, number):
        if number == 6:
            self.end()
        return torch.ones(2)


def hangs():
    while True:
        time.sleep(0.1)


def raises():
    raise KeyError("nowhere")


def runs_out_of_memory():
    raise torch.OutOfMemoryError("CUDA out of memory")


ENDS = {"hangs": hangs, "raises": raises, "memory": runs_out_of_memory, "exits": lambda: os._exit(3),
        "reader": raises}
KINDS = ["hangs", "raises", "memory", "nan", "silent", "exits", "reader", "good"]


def train(run):
    kind = KINDS[round(run.hyperparameters["lr"]) - 1]
    model = torch.nn.Linear(2, 1)
    optimizer = run.optimizer(model)
    workers = 1 if kind in ("exits", "reader", "good") else 0
    loader = DataLoader(Ones(ENDS.get(kind, lambda: None)), run.batch_size, num_workers=workers)
    for epoch in range(1, run.epochs + 1):
        for batch in loader:
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            optimizer.step()
        split = {"loss": loss * (float("nan") if kind == "nan" else 1), "accuracy": 0.75}
        run.report(epoch, train=split, test=split, **({} if kind == "silent" else {"val": split}))
"""
MANY = """
name: hostile
task: {train: "hostileloop:train"}
metric: {name: error, nothing: 0.5}
budget: {epochs: 1, batch_size: 2, time_limit: 15}
grid: {lr: [1, 2, 3, 4, 5, 6, 7, 8], weight_decay: [0]}
optimizers: {adamw: {}}
"""


REASONS = [
    "time limit: not finished after 15 s",
    "KeyError: 'nowhere' (hostileloop.py:",
    "OutOfMemoryError: CUDA out of memory (hostileloop.py:",
    "non-finite loss",
    "the training function reports no validation split after the last epoch",
    "a worker process of the DataLoader died",
    "KeyError: 'nowhere' (hostileloop.py:",
]


@pytest.mark.ray(shared=True)
def test_workers_record_each_end_as_what_it_is_and_go_on(command):
    Path("hostileloop.py").write_text(HOSTILE)
    Path("many.yaml").write_text(MANY)
    assert command("run", "many.yaml", "--workers", "2").exit_code == 1
    rows = studies.load("runs/hostile").set_index("lr").sort_index()
    assert list(rows["status"]) == [*["failed"] * 3, "diverged", *["failed"] * 3, "completed"]
    assert [reason[: len(begins)] for reason, begins in zip(rows["reason"], REASONS, strict=False)] == REASONS
    assert rows.loc[4, "stopped_step"] == 4
