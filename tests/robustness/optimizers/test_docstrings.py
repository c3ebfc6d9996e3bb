"""Docstrings of the optimizers: complete at run time, and of the same ranges that are checked."""

import inspect
import re

import pytest

from robustness.optimizers import OPTIMIZERS, RuleOptimizer
from robustness.optimizers.docstrings import completed
from robustness.optimizers.ranges import SHARED, Range

OURS = [found for found in OPTIMIZERS.values() if issubclass(found, RuleOptimizer)]
BASE = """Base.

    * ``lr``: Learning rate,
      >= 0.
    * ``eps``: Added somewhere.

    Raises:
        ValueError: If out of range.
    """


def entries(optimizer: type) -> dict[str, str]:
    """Return what the docstring of a class says of each argument."""
    section = re.search(r"^Args:\n((?: .*\n)+)", inspect.getdoc(optimizer), re.MULTILINE)
    return dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE))


def test_what_a_class_does_not_say_is_taken_from_its_base() -> None:
    own = """One line.

        Args:
            eps: Added to the
                root.

        Examples:
            >>> 1
            1
        """
    assert completed(own, ["self", "lr", "eps", "unknown"], BASE) == (
        "One line.\n\nArgs:\n    lr: Learning rate, >= 0.\n    eps: Added to the root.\n\n"
        "Raises:\n    ValueError: If out of range.\n\nExamples:\n    >>> 1\n    1\n"
    )


def test_a_class_that_says_what_it_raises_keeps_its_word() -> None:
    own = "One line.\n\nRaises:\n    TypeError: Always.\n"
    assert completed(own, ["eps"], BASE).endswith(
        "Args:\n    eps: Added somewhere.\n\nRaises:\n    TypeError: Always.\n"
    )


@pytest.mark.parametrize("optimizer", OURS)
def test_every_argument_is_explained_in_the_order_of_the_signature(optimizer: type) -> None:
    assert list(entries(optimizer)) == list(inspect.signature(optimizer).parameters)
    assert re.search(
        r"^Raises:\n    ValueError: .+\n    TypeError: ", inspect.getdoc(optimizer), re.MULTILINE
    )


@pytest.mark.parametrize("optimizer", OURS)
def test_ranges_are_written_as_they_are_checked(optimizer: type) -> None:
    said = entries(optimizer)
    if "betas" in said:
        said["beta1"] = said["beta2"] = said["betas"]
    ranges = {name: allowed for name, allowed in {**SHARED, **optimizer.ranges}.items() if name in said}
    for name, allowed in ranges.items():
        words = [allowed.text] if isinstance(allowed, Range) else [f"``{choice}``" for choice in allowed]
        assert all(word in said[name] for word in words), name
    assert ranges.keys() >= optimizer.ranges.keys()
