"""A user's own optimizers and schedules as bytes: known to a process that cannot import them, by their names."""

import subprocess
import sys

import pytest

from robustness.optimizers import OPTIMIZERS, RULES
from studies.planning.plan import Plan
from studies.planning.trials import expand
from studies.spec.errors import SweepError
from studies.sweep.carried import packed

MODULE = """
import torch
from helper_of_mine import RATE
from robustness.optimizers import Rule

class Plain(torch.optim.SGD):
    def __init__(self, params, lr=RATE):
        super().__init__(params, lr)

def halved(step, total_steps):
    return RATE

class Registered(Plain):
    rule = Rule((), lambda t, h: {}, None, lambda grad, state, scalars: grad)
"""
WORKER = """
import sys, torch
from robustness.optimizers import OPTIMIZERS, RULES, build, rule_of
from robustness.training import Schedule
from studies.sweep.carried import unpacked
unpacked(open(sys.argv[1], "rb").read())
assert "module_of_mine" not in sys.modules
assert build("module_of_mine:Plain", [torch.nn.Parameter(torch.zeros(1))], lr=2.0, weight_decay=0).defaults["lr"] == 2
assert Schedule("module_of_mine:halved").multiplier(1, 2) == 0.5
assert rule_of("mine") is OPTIMIZERS["mine"].rule and rule_of("also") is RULES["also"]
assert rule_of("also").direction(torch.ones(1), {}, {}) == 1
"""


def test_a_process_without_the_files_knows_what_it_was_sent(spec, plan, tmp_path, monkeypatch):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/module_of_mine.py").write_text(MODULE)
    (tmp_path / "files/helper_of_mine.py").write_text("RATE = 0.5")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "files")
        from module_of_mine import Plain, Registered

        patch.setitem(OPTIMIZERS, "mine", Registered)
        patch.setitem(OPTIMIZERS, "also", Plain)
        patch.setitem(RULES, "also", Registered.rule)
        optimizers = {"own": {"optimizer": "module_of_mine:Plain"}, "mine": {}, "also": {}, "sgd": {}}
        schedule = {"name": "module_of_mine:halved"}
        study, base = spec(optimizers=optimizers, schedule=schedule).load_optimizers(), plan()
        study._folder = tmp_path / "files"
        work = Plan(study, base.task, tuple(expand(study, base.task)), (), base.engine)
        (tmp_path / "sent").write_bytes(packed(work))
    command = [sys.executable, "-c", WORKER, str(tmp_path / "sent")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_sent_is_said(spec, plan, monkeypatch):
    class Stuck(OPTIMIZERS["sgd"]):
        held = (number for number in range(3))

    monkeypatch.setitem(OPTIMIZERS, "stuck", Stuck)
    study, base = spec(optimizers={"stuck": {}}).load_optimizers(), plan()
    work = Plan(study, base.task, tuple(expand(study, base.task)), (), base.engine)
    with pytest.raises(
        SweepError, match=r"^stuck: cannot be sent to workers: TypeError: .*train with --workers 0$"
    ):
        packed(work)
