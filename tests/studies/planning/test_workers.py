"""Where a study may run: what goes together, and what is refused before anything is planned."""

import numpy as np
import pytest
import torch

from studies.planning.workers import Workers, resolve_device, workplace
from studies.spec.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, None, "cpu"), r"--workers: -1: must be 0 \(in this process, without Ray\) or more"),
        ((0, "auto", "cpu"), "--workers: 0: runs without Ray, so it cannot go with --address"),
        ((0, None, "cpu", 60.0), "--workers: 0: only a worker can be stopped at budget.time_limit"),
        ((2, "ray://head:10001", "cpu"), "--address: ray://head:10001: Ray Client is not supported"),
        ((2, None, "tpu"), "--device: tpu: must be auto, cpu or cuda"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        workplace(*arguments)


def test_what_goes_together_is_kept():
    assert workplace(None, "host:6379", "cpu", 60.0) == Workers(None, "host:6379", "cpu")
    assert workplace(0, None, "cpu") == Workers(0, None, "cpu")


@pytest.mark.parametrize(("gpu", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_a_gpu(monkeypatch, gpu, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert resolve_device("auto") == device
    assert resolve_device("cpu") == "cpu"
    if not gpu:
        with pytest.raises(InputError, match="--device: cuda: this machine has no GPU"):
            resolve_device("cuda")


def test_a_number_of_workers_may_be_numpys_and_is_kept_as_a_plain_one():
    assert type(workplace(np.int64(2), None, "cpu").count) is int
    with pytest.raises(InputError, match="--workers: -1: must be 0"):
        workplace(np.int64(-1), None, "cpu")
