"""Objects by the name ``package.module:name``: imported, or provided by the process that a worker works for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_provided: dict[str, Any] = {}


def is_own(name: str) -> bool:
    """Return whether ``name`` is ``package.module:name`` of a user's own, rather than a registered name."""
    return ":" in name


def resolve(name: str) -> Any:
    """Return the object that ``package.module:name`` means.

    Raises:
        ValueError: If it cannot be imported; the message follows the name in a sentence.
    """
    if name in _provided:
        return _provided[name]
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the user's own module may raise anything
        raise ValueError(f"cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        near = get_close_matches(attribute, [n for n in vars(module) if not n.startswith("_")], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"cannot be imported: {module_name} has no {attribute!r}{hint}")
    return getattr(module, attribute)


def provide(objects: Mapping[str, Any]) -> None:
    """Let ``resolve`` find objects by their names in a process where they cannot be imported."""
    _provided.update(objects)


@contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Let modules in ``folder`` be imported, before those of any other place."""
    added = [str(folder)] if folder is not None else []
    sys.path[:0] = added
    try:
        yield
    finally:
        with suppress(ValueError):  # an imported module may have changed the path itself
            for entry in added:
                sys.path.remove(entry)
