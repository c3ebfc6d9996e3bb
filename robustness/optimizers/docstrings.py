"""Docstrings of optimizers, completed: what all share is written once and shown by ``help`` of each class."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable

_SECTION = re.compile(r"^(Args|Raises|Examples|References):\n", re.MULTILINE)
_SHARED = re.compile(r"^\* ``(\w+)``: (.+\n(?: +.+\n)*)", re.MULTILINE)
_OWN = re.compile(r"^ {4}(\w+): (.+\n(?: {5,}.+\n)*)", re.MULTILINE)


def completed(doc: str, arguments: Iterable[str], base: str) -> str:
    """Return a class's docstring with what its base's docstring says in its stead.

    Args:
        doc: The class's docstring. What it says itself of an argument stands, and so does its section ``Raises``.
        arguments: The constructor's, in order; one that neither docstring explains is left out.
        base: The base's docstring: each line of the list in it explains an argument, as ``* ``lr``: ...``.
    """
    shared_text, shared = _sections(base)
    text, own = _sections(doc)
    explained = dict(_SHARED.findall(shared_text)) | dict(_OWN.findall(own.pop("Args", "")))
    entries = [_entry(name, explained[name]) for name in arguments if name in explained]
    sections = {"Args": "\n".join(entries), "Raises": shared["Raises"], **own}
    return (
        "\n\n".join([text.rstrip(), *(f"{name}:\n{body.rstrip()}" for name, body in sections.items())]) + "\n"
    )


def _sections(doc: str) -> tuple[str, dict[str, str]]:
    """Return the text before the first section, and each section's body by its title."""
    text, *rest = _SECTION.split(inspect.cleandoc(doc) + "\n")
    return text, dict(zip(rest[::2], rest[1::2], strict=True))


def _entry(name: str, meaning: str) -> str:
    return textwrap.fill(
        f"{name}: {' '.join(meaning.split())}",
        width=106,
        initial_indent=4 * " ",
        subsequent_indent=8 * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )
