"""Protocols: how published experiments trained, as bundles that a study names and may override key by key.

``protocol: dualadam-2026`` in a study file stands for that bundle's ``budget``, ``schedule`` and ``training``, and on
image tasks for its options of the task. A key that the study itself gives overrides the protocol's. The ``quick-``
versions keep the shape of a protocol and are short enough for a laptop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from robustness.tasks import DATASETS
from robustness.training.schedules.shapes import SHAPES, keys_of
from studies.spec.problems import Problem, one_of, raise_all


@dataclass(frozen=True)
class Protocol:
    """How every trial of a study is trained.

    Attributes:
        source: Who trained like this, and where that is published.
        budget: As in a study file.
        schedule: As in a study file.
        training: As in a study file.
        images: Options of image tasks.
    """

    source: str
    budget: Mapping[str, Any]
    schedule: Mapping[str, Any]
    training: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] = field(default_factory=dict)


def _quick(name: str, **images: Any) -> Protocol:
    """Return ``PROTOCOLS[name]`` with 10 epochs on 10,000 training images, evaluated at the start, middle and end."""
    full = PROTOCOLS[name]
    return replace(
        full,
        source=f"{name}, shortened: 10 epochs of 10,000 training images",
        budget={**full.budget, "epochs": 10},
        training={**full.training, "evaluate_every": 5},
        images={**full.images, "train_size": 10_000, **images},
    )


PROTOCOLS = {
    "dualadam-2026": Protocol(
        # decay and smoothing are not part of it: weight decay is an axis of studies
        source="Shi, Chen, Jin, Zhou 2026, DualAdam (https://arxiv.org/abs/2603.07122), image classification",
        budget={"epochs": 200, "batch_size": 128},
        schedule={"name": "cosine", "floor": 1e-3},
        images={"augment": ("crop", "flip")},
    ),
    "adamnx-2025": Protocol(
        # by the authors of Ada2MS, whose own training script is not released
        source="Zhu, Xiao, Min 2025, AdamNX's training script (https://arxiv.org/abs/2511.13465)",
        budget={"epochs": 80, "batch_size": 64},
        schedule={"name": "linear", "floor": 0.01, "until": 0.6},
        training={"decay": "matrices"},
        images={"augment": ("flip",)},
    ),
    "airbench-like": Protocol(
        # there: 9.9 epochs, mirroring in turn instead of at random, and a network made for the purpose
        source="after Jordan 2024, airbench94 (https://arxiv.org/abs/2404.00498)",
        budget={"epochs": 10, "batch_size": 1024},
        schedule={"name": "linear", "warmup": 0.23, "floor": 0.07},
        training={"label_smoothing": 0.2},
        images={"augment": ("crop", "flip")},
    ),
}
PROTOCOLS |= {f"quick-{name}": _quick(name) for name in ("dualadam-2026", "adamnx-2025")}
# a batch of 1,024 would leave 9 steps to an epoch
PROTOCOLS["quick-airbench-like"] = replace(
    _quick("airbench-like"), budget={**PROTOCOLS["airbench-like"].budget, "batch_size": 128}
)


def with_protocol(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's keys with those that its ``protocol`` stands for; the study's own override them.

    Raises:
        pydantic.ValidationError: If there is no such protocol.
    """
    name = study.get("protocol")
    if name is None:
        return dict(study)
    if not isinstance(name, str) or name not in PROTOCOLS:
        raise_all([Problem(("protocol",), name, one_of(str(name), PROTOCOLS))])
    protocol = PROTOCOLS[name]
    filled = dict(study)
    for key in ("budget", "schedule", "training"):
        own = study.get(key, {})
        if isinstance(own, Mapping):
            bundled = getattr(protocol, key)
            filled[key] = {**(_fitting(bundled, own) if key == "schedule" else bundled), **own}
    task = study.get("task")
    given = {"name": task} if isinstance(task, str) else task
    if isinstance(given, Mapping) and str(given.get("name")).partition("/")[0] in DATASETS:
        filled["task"] = {**protocol.images, **given}
    return filled


def _fitting(bundled: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys of a protocol's schedule that the schedule which a study names instead has too."""
    name = own.get("name", bundled["name"])
    has = keys_of(name) if isinstance(name, str) and name in SHAPES else ()
    return {key: value for key, value in bundled.items() if key in ("name", *has)}
