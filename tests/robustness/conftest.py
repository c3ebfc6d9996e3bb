"""What tests of a user's own optimizers share."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def own_optimizers(monkeypatch):
    """Let ``own_optimizers:Class`` be imported."""
    monkeypatch.syspath_prepend(DATA)
