"""What tests of the store share: a study of three trials, run once, and copies of its folder."""

import shutil

import pytest

from studies import StudySpec, run

SETTINGS = {
    "name": "tiny",
    "task": "digits-mlp",
    "budget": {"epochs": 1, "batch_size": 64},
    "grid": {"lr": [1e-2], "weight_decay": [0.0]},
    "optimizers": {"sgd": {"lr": [1e-2, 1e20]}, "adamw": {}},
}


@pytest.fixture(scope="session")
def tiny():
    """Make the study's spec, with some keys changed."""
    return lambda **changes: StudySpec(**{**SETTINGS, **changes})


@pytest.fixture(scope="session")
def _stored(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("stored") / "tiny"
    run(tiny(), out=out, workers=0, engine="sequential")
    return out


@pytest.fixture
def folder(_stored, tmp_path):
    """The study's folder, the test's own to change."""
    return shutil.copytree(_stored, tmp_path / "tiny")
