"""What a study names that is no part of this project: optimizers and schedules of a user's own, and their code.

Whoever trains finds the objects themselves (``find_own``). Whoever reads takes what the study's folder remembers, and
imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustness.optimizers import REQUIRED, Signature, code_of, signature
from robustness.optimizers.registry import is_built_in
from robustness.user_code.names import is_own, resolve
from robustness.user_code.source import check_origin, source_code
from studies.spec.errors import SpecError
from studies.spec.problems import Problem, raise_all


@dataclass(frozen=True)
class OwnCode:
    """Optimizers and schedules of a user's own, as far as planning and reading need them.

    Attributes:
        signatures: What each optimizer takes, by its name in the study.
        codes: Which code an optimizer or a schedule is made of, by name; those of torch itself have none.
    """

    signatures: Mapping[str, Signature] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything of a user's own."""
        return bool(self.signatures or self.codes)

    def signature(self, name: str) -> Signature | None:
        """Return what an optimizer takes; None where it is a user's own that is not found yet.

        Raises:
            ValueError: If there is no optimizer of that name.
        """
        if name in self.signatures or is_own(name):
            return self.signatures.get(name)
        return signature(name)

    def known(self, name: str, place: str) -> Signature:
        """Return what an optimizer takes; messages begin with ``place``.

        Raises:
            SpecError: If it is a user's own that is neither found nor remembered.
        """
        taken = self.signature(name)
        if taken is None:
            raise SpecError(
                f"{place}: {name!r}: which hyperparameters it has is not known here; `robustness run` finds it, and "
                "its folder then remembers them"
            )
        return taken

    def replaced(self, other: OwnCode) -> OwnCode:
        """Return this with what ``other`` knows in the place of what this knows of the same."""
        return OwnCode({**self.signatures, **other.signatures}, {**self.codes, **other.codes})

    def of(self, *names: str) -> dict[str, str]:
        """Return the codes of those of ``names`` that have one."""
        return {name: self.codes[name] for name in names if name in self.codes}

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` takes. A hyperparameter is a pair of name and default, or its name alone."""
        signatures = {
            name: {
                "hyperparameters": [
                    [key] if default is REQUIRED else [key, default]
                    for key, default in taken.defaults.items()
                ],
                "decays": taken.decays,
                "betas": taken.betas,
            }
            for name, taken in self.signatures.items()
        }
        return {"optimizers": signatures, "codes": dict(self.codes)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> OwnCode:
        """Return what ``to_json`` has written.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: If it was not written by that.
        """
        signatures = {}
        for name, taken in content["optimizers"].items():
            defaults = {
                key: tuple(default[0])
                if default and isinstance(default[0], list)
                else (*default, REQUIRED)[0]
                for key, *default in taken["hyperparameters"]
            }
            signatures[name] = Signature(defaults, bool(taken["decays"]), int(taken["betas"]))
        return cls(signatures, {str(name): str(code) for name, code in content["codes"].items()})


def find_own(optimizers: Mapping[str, str], schedule: str, folder: Path | None) -> OwnCode:
    """Find what a study names of a user's own: import it, see what it takes, and digest its source.

    Args:
        optimizers: The names of its optimizers by the keys that the study lists them under.
        schedule: The name of its schedule.
        folder: Where modules of the user's own must come from if it holds them.

    Raises:
        ValidationError: If one of them cannot be imported, is no optimizer, or has changed since it was imported.
    """
    signatures: dict[str, Signature] = {}
    codes: dict[str, str | None] = {}
    problems = []
    for key, name in optimizers.items():
        try:
            check_origin(name, folder)
            if not is_built_in(name):
                signatures[name], codes[name] = signature(name), code_of(name)
        except ValueError as error:
            location = ("optimizers", key, *["optimizer"] * (name != key))
            problems.append(Problem(location, name, _told(error, name)))
    if is_own(schedule):
        try:
            resolve(schedule)
            check_origin(schedule, folder)
            codes[schedule] = source_code(schedule)
        except ValueError as error:
            problems.append(Problem(("schedule", "name"), schedule, _told(error, schedule)))
    raise_all(problems)
    return OwnCode(signatures, {name: code for name, code in codes.items() if code is not None})


def _told(error: ValueError, name: str) -> str:
    return str(error).removeprefix("optimizer ").removeprefix(repr(name)).strip()
