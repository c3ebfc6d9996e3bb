"""Which code a class is made of, as a short text that changes with it."""

from __future__ import annotations

import hashlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from types import CodeType, FunctionType
from typing import Any

from robustness.user_code.source import is_installed, source_code

_OTHERS = ("torch", "robustness", "builtins")
_UNIMPORTABLE = ("__main__", "__mp_main__")


def code_of_class(found: type) -> str:
    """Return a text that tells this version of a class from others.

    A class of an installed package has ``distribution==version``; one of a module with a file, the digest of that
    source and of the modules beside it that it imports (``robustness.user_code.source``). A class of a script or a
    notebook has the digest of its own source and that of the classes it is derived from: functions beside it are
    not in it. Where Python holds no source, the compiled methods take its place.

    Args:
        found: The class.

    Raises:
        ValueError: If the source has changed since this process imported it.
    """
    home = found.__module__
    module = sys.modules.get(home)
    if module is not None and home not in _UNIMPORTABLE and getattr(module, "__file__", None):
        if is_installed(module):
            return _distribution(home.partition(".")[0])
        if (digest := source_code(f"{home}:{found.__qualname__}")) is not None:
            return digest
    content = hashlib.sha256()
    for one in found.__mro__:
        if one.__module__.partition(".")[0] not in _OTHERS:
            content.update(_text(one).encode())
    return content.hexdigest()[:16]


@cache
def _distribution(package: str) -> str:
    names = packages_distributions().get(package, [])
    return "+".join(f"{name}=={version(name)}" for name in sorted(set(names))) or package


def _text(found: type) -> str:
    try:
        return textwrap.dedent(inspect.getsource(found))
    except (OSError, TypeError):  # typed into a notebook or a shell, or sent here by another process
        return "\n".join(f"{name} {part}" for name, value in vars(found).items() for part in _parts(value))


def _parts(value: Any) -> Iterator[str]:
    """Yield what a member of a class is made of, without addresses, line numbers and files."""
    function = getattr(value, "__wrapped__", getattr(value, "__func__", getattr(value, "fget", value)))
    if isinstance(function, FunctionType):
        yield from _compiled(function.__code__)
        yield repr(function.__defaults__) + repr(function.__kwdefaults__)
    elif isinstance(value, int | float | str | tuple | None):
        yield repr(value)


def _compiled(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _compiled(constant)
        else:
            yield repr(constant)
