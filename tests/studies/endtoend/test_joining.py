"""Joining a real cluster that was started by somebody else, with a token and without."""

import os
import subprocess
import sys

import pytest

from studies import load

pytestmark = pytest.mark.ray
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


@pytest.fixture(scope="module")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text("0123456789abcdef" * 4)
    return path


@pytest.fixture
def token(token_file, monkeypatch):
    """A token where Ray looks for one, and a mode of authentication that nobody has set."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token_file))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)


@pytest.fixture(scope="module")
def cluster(request, token_file):
    """The address of a cluster, with a token or with authentication ``disabled``, for all tests of that mode."""
    command = [sys.executable, "-c", CLUSTER]
    env = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token_file), "RAY_AUTH_MODE": request.param}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=env, text=True, **pipes)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n", timeout=300)


def robustness(folder, address, study=STUDY):
    (folder / "joined.yaml").write_text(study)
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


@pytest.mark.parametrize("cluster", ["token", "disabled"], indirect=True)
def test_whoever_has_a_token_joins_clusters_with_and_without(token, tmp_path, cluster):
    done = robustness(tmp_path, cluster)
    assert done.returncode == 0, done.stdout + done.stderr
    assert load(tmp_path / "out")["status"].tolist() == ["completed"] * 2
    assert "worker lost" not in (tmp_path / "out/run.log").read_text()


@pytest.mark.parametrize("cluster", ["disabled"], indirect=True)
def test_a_token_that_is_asked_for_and_not_there_is_one_clear_line(token, tmp_path, cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    told = refusal(robustness(tmp_path, cluster))
    assert f"the Ray cluster at {cluster} was started without token authentication" in told


@pytest.mark.parametrize("cluster", ["token"], indirect=True)
def test_a_cluster_that_wants_a_token_says_so_where_there_is_none_or_another(
    token, tmp_path, cluster, monkeypatch
):
    (tmp_path / "other").write_text("fedcba9876543210" * 4)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    told = refusal(robustness(tmp_path, cluster))
    assert f"the Ray cluster at {cluster} has another token than this machine" in told
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    told = refusal(robustness(tmp_path, cluster))
    assert f"the Ray cluster at {cluster} wants a token" in told


OWN = """
import torch
import beside
from dataclasses import replace
from robustness.tasks import Metric, load

class Own(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr, momentum=beside.MOMENTUM)

def spared(outputs, targets):
    return (outputs.argmax(-1) == targets).float() * beside.MOMENTUM

def task():
    return replace(load("digits-mlp"), metric=Metric("half right", "max", function=spared))

def rate(step, total_steps):
    return beside.MOMENTUM
"""


@pytest.mark.parametrize("cluster", ["disabled"], indirect=True)
def test_nodes_need_none_of_a_users_files(token, tmp_path, cluster):
    """Task, metric, schedule and optimizer are in one module, which imports one beside it."""
    (tmp_path / "beside.py").write_text("MOMENTUM = 0.5")
    (tmp_path / "own.py").write_text(OWN)
    study = STUDY.replace("{adamw: {}}", '{own: {optimizer: "own:Own"}}')
    study = study.replace("digits-mlp", '"own:task"') + 'schedule: {name: "own:rate"}\n'
    done = robustness(tmp_path, cluster, study)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = load(tmp_path / "out")
    assert rows["status"].tolist() == ["completed"] * 2
    assert rows["val_metric"].to_numpy() == pytest.approx(rows["val_accuracy"].to_numpy() / 2)
    assert set(rows["schedule"]) == {"own:rate"}


def refusal(done):
    """Return what a refused command said, in its own words: no traceback, and not Ray's, a line a second."""
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "Traceback" not in told
    assert "Unauthenticated" not in told
    return told
