"""A few tries of each of the scripts beside this file."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import damaged_parts
import tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "tiny"
    tiny.finish(folder)
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_damaged_parts_are_set_aside_and_their_trials_run_again(whole, tmp_path, seed):
    assert "table equal" in damaged_parts.damage_and_run_again(whole, tmp_path / "tiny", seed)


@pytest.mark.parametrize("seed", range(2))
def test_a_part_of_a_newer_schema_is_refused_and_left_alone(whole, tmp_path, seed):
    assert "refused" in damaged_parts.newer_part(whole, tmp_path / "tiny", seed)
