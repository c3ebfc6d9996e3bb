"""The fixed variations of an optimizer: one value for each hyperparameter, and a label that tells them apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from studies.spec.errors import SpecError
from studies.spec.values import Given

# these say which member of a family of optimizers is meant, so every label shows them
FAMILY = ("mixing", "exponent", "p", "q")
UNKNOWN = "steps, which are not known: give task.examples, the examples of the training split"


@dataclass(frozen=True)
class Variant:
    """An optimizer with one value for each hyperparameter that the study gives.

    Attributes:
        optimizer: A name in ``robustness.optimizers.OPTIMIZERS``, or ``package.module:Class``.
        label: As figures show it, such as ``ada2ms(mixing=0.5)``.
        given: What the study gives besides ``lr`` and ``weight_decay``.
        defaults: What the optimizer takes, with its defaults.
    """

    optimizer: str
    label: str
    given: Mapping[str, Given]
    defaults: Mapping[str, Any]

    @property
    def of_the_steps(self) -> tuple[str, ...]:
        """The hyperparameters that follow from a trial's steps, as the study gives them."""
        values = {**self.defaults, **self.given}
        fraction = "switch_fraction" in values and "switch_fraction" not in self.defaults
        end = values.get("mixing_end") is not None and values.get("mixing_steps", 0) is None
        return ("switch_fraction",) * fraction + ("mixing_end",) * end

    def hyperparameters(self, total_steps: int | None) -> dict[str, Given]:
        """Return every hyperparameter but ``lr`` and ``weight_decay``, defaults too, for a trial's steps.

        ``switch_fraction`` gives ``switch_rate = 1 / (switch_fraction * total_steps)``; ``mixing_end``
        without ``mixing_steps`` is reached at the last step.

        Args:
            total_steps: Of a trial; None where they are not known.

        Raises:
            SpecError: If one is a share of steps that are not known.
        """
        values = {**self.defaults, **self.given}
        shares = self.of_the_steps
        if total_steps is None:
            if shares:
                raise SpecError(f"optimizers: {self.label}: {shares[0]} is a share of a trial's {UNKNOWN}")
            return values
        if "switch_fraction" in shares:
            values["switch_rate"] = 1 / (values.pop("switch_fraction") * total_steps)
        if "mixing_end" in shares:
            values["mixing_steps"] = total_steps
        return values


def cast(value: Given, default: Any) -> Given:
    """Write 1 as 1.0 where the default is a float, so that equal values have equal ids and labels."""
    if isinstance(value, tuple):
        defaults = (
            default if isinstance(default, tuple) and len(default) == len(value) else (None,) * len(value)
        )
        return tuple(cast(one, of) for one, of in zip(value, defaults, strict=True))  # type: ignore[misc]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def label(key: str, given: Mapping[str, Given], listed: Collection[str], defaults: Mapping[str, Any]) -> str:
    """Return ``key`` with what tells this variation from others, in the constructor's order.

    Shown are hyperparameters given as lists, those that differ from their defaults, and always those of ``FAMILY``.
    ``switch_fraction`` is shown in the place of ``switch_rate``, if it is a list.
    """
    parts = []
    for parameter, default in defaults.items():
        value = given.get(parameter, default)
        if parameter in listed or parameter in FAMILY or value != default:
            parts.append(f"{parameter}={_text(value)}")
        if parameter == "switch_rate" and "switch_fraction" in listed:
            parts.append(f"switch_fraction={_text(given['switch_fraction'])}")
    return f"{key}({', '.join(parts)})" if parts else key


def _text(value: Given) -> str:
    if isinstance(value, tuple):
        return "+".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
