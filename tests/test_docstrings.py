"""Docstrings of all that is exported: their examples run, and they say what every argument means."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import analysis
import robustness.optimizers
import robustness.tasks
import robustness.training
import studies

ROOT = Path(__file__).parents[1]
EXPORTING = (robustness.optimizers, robustness.tasks, robustness.training, studies, analysis)
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("robustness", "studies", "analysis")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_optimizer_has_an_example():
    for name in robustness.optimizers.__all__:
        found = getattr(robustness.optimizers, name)
        if isinstance(found, type) and found.__module__.split(".")[-1] not in ("base", "rule", "signature"):
            assert ">>>" in (found.__doc__ or ""), name


@pytest.mark.parametrize("package", EXPORTING, ids=lambda package: package.__name__)
def test_exported_functions_say_what_each_argument_means(package):
    for name in package.__all__:
        found = getattr(package, name)
        if not inspect.isfunction(found):
            continue
        said = inspect.getdoc(found) or ""
        unsaid = [p for p in inspect.signature(found).parameters if not re.search(rf"\b{p}\b", said)]
        alone = len(inspect.signature(found).parameters) == 1  # the first line tells what it is
        assert alone or not unsaid, (name, unsaid)
        if re.search(r"^ +raise \w+Error\(", inspect.getsource(found), re.MULTILINE):
            assert "Raises:" in said, name
