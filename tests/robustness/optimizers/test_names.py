"""Optimizers by name: their rules, and the text that tells one version of a class from another."""

import importlib
import importlib.metadata
import sys

import pytest
import torch

from robustness.optimizers import OPTIMIZERS, RULES, code_of, find, rule_of

pytestmark = pytest.mark.usefixtures("own_optimizers")


def test_a_rule_is_the_registrys_or_the_classs_own(monkeypatch):
    assert all(rule_of(name) is rule for name, rule in RULES.items())
    assert rule_of("own_optimizers:Signum") is find("own_optimizers:Signum").rule
    assert rule_of("own_optimizers:Lion") is None
    assert rule_of("torch.optim:AdamW") is None  # it has arguments that the rule does not know
    monkeypatch.setitem(OPTIMIZERS, "signum", find("own_optimizers:Signum"))
    assert rule_of("signum") is find("own_optimizers:Signum").rule
    with pytest.raises(ValueError, match="did you mean 'adamw'"):
        rule_of("adamvw")


def test_a_rule_is_not_inherited_past_a_step_of_ones_own():
    assert rule_of("own_optimizers:OtherStep") is None


def test_codes_are_versions_of_packages_and_digests_of_a_users_own():
    assert [code_of(name) for name in (*OPTIMIZERS, "torch.optim:NAdam")] == [None] * (len(OPTIMIZERS) + 1)
    digest = code_of("own_optimizers:Lion")
    assert len(digest) == 16
    assert digest == code_of("own_optimizers:Signum")  # of one file


def test_a_package_is_told_apart_by_its_version():
    pytest.importorskip("pytorch_optimizer", reason="an installed package with optimizers")
    installed = importlib.metadata.version("pytorch_optimizer")
    assert code_of("pytorch_optimizer:Lion") == f"pytorch_optimizer=={installed}"


def test_a_code_changes_with_the_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    codes = []
    for momentum in (0.5, 0.9):
        text = f"import torch\nclass Mine(torch.optim.SGD):\n    momentum = {momentum}\n"
        (tmp_path / "mine_optim.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("mine_optim", None)
        codes.append(code_of("mine_optim:Mine"))
    assert len(set(codes)) == 2


TYPED = """
import torch
class Base(torch.optim.SGD):
    def rate(self):
        return {rate}
class Mine(Base):
    def step(self, closure=None):
        return super().step(closure)
    @property
    def {name}(self):
        return [x for x in range({length})]
"""


def typed(rate=1, name="here", length=3):
    """Return a class that has no source, as in a notebook."""
    namespace = {"__name__": "__main__"}
    exec(TYPED.format(rate=rate, name=name, length=length), namespace)
    return namespace["Mine"]


def test_a_class_that_was_typed_in_is_told_apart_by_its_methods(monkeypatch):
    codes = []
    changes = ({}, {}, {"rate": 2}, {"name": "there"}, {"length": 4})
    for change in changes:
        monkeypatch.setitem(OPTIMIZERS, "typed", typed(**change))
        codes.append(code_of("typed"))
    assert codes[0] == codes[1]
    assert len(set(codes)) == len(changes) - 1


def test_a_registered_class_of_this_module_is_told_apart_by_its_file(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "lion", find("own_optimizers:Lion"))
    assert code_of("lion") == code_of("own_optimizers:Lion")
    monkeypatch.setitem(OPTIMIZERS, "lion", torch.optim.NAdam)
    assert code_of("lion") is None
