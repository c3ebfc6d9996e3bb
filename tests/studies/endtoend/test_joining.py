"""Joining a real cluster that was started by somebody else, with a token and without."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from studies import load

STUDY = """
name: joined
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: [1.0e-3, 1.0e-2], weight_decay: [0]}
optimizers: {adamw: {}}
"""
CLUSTER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A token where Ray looks for one, and a mode of authentication that nobody has set."""
    (tmp_path / "token").write_text("0123456789abcdef" * 4)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)


@contextmanager
def cluster(mode):
    command = [sys.executable, "-c", CLUSTER]
    env = {**os.environ, "RAY_AUTH_MODE": mode}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=env, text=True, **pipes)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n", timeout=60)


def robustness(folder, address):
    (folder / "joined.yaml").write_text(STUDY)
    command = [
        sys.executable,
        "-m",
        "studies.cli",
        "run",
        "joined.yaml",
        "--out",
        "out",
        "--address",
        address,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_whoever_has_a_token_joins_clusters_with_and_without(token, tmp_path, mode):
    with cluster(mode) as address:
        done = robustness(tmp_path, address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load(tmp_path / "out")["status"].tolist() == ["completed"] * 2
    assert "worker lost" not in (tmp_path / "out/run.log").read_text()


def test_a_token_that_is_asked_for_and_not_there_is_one_clear_line(token, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with cluster("disabled") as address:
        told = refusal(robustness(tmp_path, address))
    assert f"the Ray cluster at {address} was started without token authentication" in told


def test_a_cluster_that_wants_a_token_says_so_where_there_is_none_or_another(token, tmp_path, monkeypatch):
    with cluster("token") as address:
        (tmp_path / "other").write_text("fedcba9876543210" * 4)
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
        told = refusal(robustness(tmp_path, address))
        assert f"the Ray cluster at {address} has another token than this machine" in told
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
        told = refusal(robustness(tmp_path, address))
        assert f"the Ray cluster at {address} wants a token" in told


def refusal(done):
    """Return what a refused command said, in its own words: no traceback, and not Ray's, a line a second."""
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "Traceback" not in told
    assert "Unauthenticated" not in told
    return told
