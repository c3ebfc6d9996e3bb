"""Studies whose data are read from datasets: by workers of workers, some of which die."""

import pandas as pd
import pytest

from studies import StudySpec, run
from studies.spec.errors import SweepError

MODULE = """
import os
from pathlib import Path

import torch
from robustness.tasks import DatasetSplit, Task

FLAG = Path(__file__).parent / "died"


class Points:
    targets = torch.arange(60) % 2

    def __init__(self, dies=False, held=None):
        self.dies, self.held = dies, held

    def __len__(self):
        return 60

    def __getitem__(self, number):
        if self.dies and number == 40:  # once, in whichever trial comes first
            try:
                os.close(os.open(FLAG, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                os._exit(3)
        y = number % 2
        return torch.randn(2) + 2.0 * y, y


def points(workers=0, dies=False, held=None):
    train = DatasetSplit(Points(dies, held), workers=workers)
    val = DatasetSplit(Points())
    return Task("points", train, val, val, lambda: torch.nn.Linear(2, 2))


def unsent():
    return points(held=(number for number in range(3)))
"""
STUDY = """
name: points
task: {{name: "{module}:{function}", workers: {workers}, dies: {dies}}}
budget: {{epochs: 2, batch_size: 20}}
seeds: 2
grid: {{lr: [0.1, 1.0], weight_decay: [0]}}
optimizers: {{sgd: {{}}}}
"""


@pytest.fixture
def study(tmp_path):
    def written(module, function="points", workers=0, dies="false"):
        (tmp_path / f"{module}.py").write_text(MODULE)
        file = tmp_path / f"{module}{workers}.yaml"
        text = STUDY.format(module=module, function=function, workers=workers, dies=dies)
        file.write_text(
            text if function == "points" else text.replace(f", workers: {workers}, dies: {dies}", "")
        )
        return StudySpec.from_yaml(file)

    return written


def test_numbers_do_not_depend_on_the_readers(study, tmp_path):
    """Here and in the worker of a DataLoader; the number of readers is an option, so ids differ."""
    alone, by_two = (run(study("reading", workers=n), out=tmp_path / f"{n}", workers=0).rows for n in (0, 2))
    told_apart = ["trial_id", "pack_id", "worker", "wall_seconds", "task_options", "setup"]
    pd.testing.assert_frame_equal(
        *(rows.drop(columns=told_apart, errors="ignore") for rows in (alone, by_two))
    )
    assert set(alone["status"]) == {"completed"}


@pytest.mark.ray(shared=True)
def test_a_reader_that_dies_fails_its_trial_and_its_mates_finish(study, tmp_path):
    spec = study("dying", workers=2, dies="true")
    outcome = run(spec, out=tmp_path / "s", workers=2)
    assert sorted(outcome.rows["status"]) == ["completed"] * 3 + ["failed"]
    [reason] = outcome.rows.loc[outcome.rows["status"] == "failed", "reason"]
    assert reason.startswith("DataError: a worker process of the DataLoader died while it read the dataset")


@pytest.mark.ray(shared=True)
def test_a_dataset_that_cannot_be_pickled_is_trained_here_alone(study, tmp_path):
    spec = study("unsent", function="unsent")
    with pytest.raises(
        SweepError, match=r"^unsent:unsent: cannot be sent to workers: .* train with --workers 0$"
    ):
        run(spec, out=tmp_path / "s", workers=2)
    assert set(run(spec, out=tmp_path / "s", workers=0).rows["status"]) == {"completed"}
