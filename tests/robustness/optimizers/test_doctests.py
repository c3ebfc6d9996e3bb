import doctest
import importlib
import pkgutil

import pytest

import robustness.optimizers

MODULES = [found.name for found in pkgutil.iter_modules(robustness.optimizers.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"robustness.optimizers.{name}")
    assert doctest.testmod(module).failed == 0


def test_every_class_has_an_example() -> None:
    for name in robustness.optimizers.__all__:
        found = getattr(robustness.optimizers, name)
        if isinstance(found, type) and found.__module__.split(".")[-1] not in ("base", "rule"):
            assert ">>>" in (found.__doc__ or ""), name
