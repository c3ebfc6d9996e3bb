"""What each workload of a suite is asked for: the suite's keys, with the workload's own in their place.

Mappings are merged key by key; what is no mapping takes the place of what the suite says. A task, and a schedule or
metric of another name, take the place of the suite's as a whole: their keys belong to another thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studies.spec.problems import NOTHING, Location, Problem, unknown_key
from studies.spec.sections import folder_name
from studies.spec.strict_yaml import WORKLOADS
from studies.spec.study import StudySpec

OF_THE_SUITE = ("workload", WORKLOADS, "verdict")
"""Keys that a workload may not have: its name is its own, and the verdict is one over all of them."""
RATES = ("lr", "weight_decay")
"""Of an optimizer, what a workload may have of its own."""
SAME = "all workloads compare the same optimizers"
SUITE_KEYS = (*(key for key in StudySpec.model_fields if key != "workload"), WORKLOADS)
WORKLOAD_KEYS = tuple(key for key in StudySpec.model_fields if key not in OF_THE_SUITE)


def suite_problems(suite: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a suite whatever its workloads ask for: its keys and the workloads' names.

    Args:
        suite: What its file holds.
    """
    problems = [unknown_key((key,), suite[key], SUITE_KEYS) for key in suite if key not in SUITE_KEYS]
    if "name" not in suite:
        problems.append(Problem(("name",), NOTHING, "is required"))
    listed = suite.get(WORKLOADS)
    if not isinstance(listed, list) or not listed:
        return [*problems, Problem((WORKLOADS,), listed, "must be a list of mappings with name, task, …")]
    names: list[str] = []
    for index, workload in enumerate(listed):
        problems += _workload_problems(workload, (WORKLOADS, index), names)
    return problems + _different_optimizers(suite, [one for one in listed if isinstance(one, Mapping)])


def _workload_problems(workload: object, at: Location, names: list[str]) -> Iterator[Problem]:
    """Yield what is wrong with one workload's keys, and add its name to ``names``."""
    if not isinstance(workload, Mapping):
        yield Problem(at, workload, "must be a mapping with name, task, …")
        return
    for key in workload:
        if key in OF_THE_SUITE:
            yield Problem((*at, key), workload[key], "must not be given for one workload")
        elif key not in WORKLOAD_KEYS:
            yield unknown_key((*at, str(key)), workload[key], WORKLOAD_KEYS)
    name, place = workload.get("name", NOTHING), (*at, "name")
    if not isinstance(name, str):
        yield Problem(place, name, "is required" if name is NOTHING else "must be text")
        return
    try:
        folder_name(name)
    except ValueError as error:
        yield Problem(place, name, str(error))
    if name.lower() in names:  # some disks hold Text and text to be one folder
        yield Problem(place, name, "must be another name than those of the workloads before it")
    names.append(name.lower())


def _different_optimizers(suite: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Return what workloads say of optimizers that would make them others than the suite's.

    Where the suite lists none, those of the first workload are the suite's.
    """
    shared = suite.get("optimizers")
    if whole := shared is None:
        shared = workloads[0].get("optimizers") if workloads else None
    problems: list[Problem] = []
    for index, workload in enumerate(workloads):
        own, at = workload.get("optimizers"), (WORKLOADS, index, "optimizers")
        if isinstance(own, Mapping) and isinstance(shared, Mapping):
            problems += _optimizer_problems(own, at, shared)
            lacking = [str(key) for key in shared if key not in own] if whole else []
            problems += [Problem((*at, key), NOTHING, f"is required: {SAME}") for key in lacking]
    return problems


def _optimizer_problems(
    own: Mapping[Any, Any], at: Location, optimizers: Mapping[Any, Any]
) -> Iterator[Problem]:
    known = ", ".join(map(str, optimizers))
    for key, entry in own.items():
        if key not in optimizers:
            yield Problem((*at, str(key)), entry, f"must be an optimizer of the suite ({known}): {SAME}")
            continue
        shared = optimizers[key] if isinstance(optimizers[key], Mapping) else {}
        for name, value in entry.items() if isinstance(entry, Mapping) else ():
            if name not in RATES and (name not in shared or shared[name] != value):
                rule = f"must be the suite's: {SAME}, {' and '.join(RATES)} apart"
                yield Problem((*at, str(key), str(name)), value, rule)


def merged(suite: Mapping[str, Any], workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study that one workload of a suite is.

    Args:
        suite: What its file holds.
        workload: One of its workloads.
    """
    base = {key: value for key, value in suite.items() if key != WORKLOADS}
    own = {key: value for key, value in workload.items() if key != "name"}
    if isinstance(own.get("optimizers"), Mapping):  # `sgd:` alone is an optimizer to which nothing is added
        own["optimizers"] = {key: {} if entry is None else entry for key, entry in own["optimizers"].items()}
    return {**_over(base, own), "workload": workload["name"]}


def _over(base: Mapping[Any, Any], own: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return ``base`` with the values of ``own`` in their place; mappings are merged in the same way."""
    together = dict(base)
    for key, value in own.items():
        before = base.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping) and not _replaces(key, before, value):
            together[key] = _over(before, value)
        else:
            together[key] = value
    return together


def _replaces(key: object, before: Mapping[Any, Any], value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping takes the other's place as a whole."""
    return key == "task" or (
        key in ("schedule", "metric") and value.get("name", before.get("name")) != before.get("name")
    )


def locations(value: object, at: Location = ()) -> Iterator[Location]:
    """Yield where everything in ``value`` is, mappings and lists included."""
    yield at
    parts = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in parts:
        yield from locations(part, (*at, key if isinstance(key, int) else str(key)))
