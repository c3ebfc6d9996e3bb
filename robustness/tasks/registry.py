"""The tasks by name, and a user's own by ``package.module:function``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from robustness.tasks.digits import digits_cnn, digits_mlp
from robustness.tasks.language.finetune import DATA, MODEL, finetune
from robustness.tasks.language.text import TEXT, char_lstm, char_transformer
from robustness.tasks.logistic import digits_logistic
from robustness.tasks.metric import Metric
from robustness.tasks.networks import NETWORKS, network
from robustness.tasks.task import Task
from robustness.tasks.training_function import TrainingFunction
from robustness.tasks.two_minima import two_minima
from robustness.tasks.vision import DATASETS, FOLDER, combined
from robustness.user_code.names import is_own, resolve
from robustness.user_code.source import source_code

TASKS: dict[str, Callable[..., Task]] = {
    "digits-mlp": digits_mlp,
    "digits-cnn": digits_cnn,
    "char-lm": char_transformer,
    "char-lm/lstm": char_lstm,
    "digits-logistic": digits_logistic,
    "two-minima": two_minima,
    "finetune": finetune,
}
"""The tasks with names of their own; all others are named ``data/network``."""

PLACES = (FOLDER, TEXT, MODEL, DATA)
"""Options of these tasks that say where the data are stored, not what they contain."""


def name_rule(name: str) -> str | None:
    """Return the rule that ``name`` breaks if it names no task, else None; a user's module is not imported."""
    if name in TASKS or is_own(name):
        return None
    data, slash, model = name.partition("/")
    if slash and data in DATASETS:
        try:
            network(model)
            return None
        except ValueError as error:
            rule = str(error).partition(", but got")[0].replace("must be", f"must be {data}/ and")
            names = NETWORKS
            near = get_close_matches(model, names, n=1)
            return rule + (f" (did you mean '{data}/{near[0]}'?)" if near else "")
    combinations = [f"{data}/{model}" for data in DATASETS for model in NETWORKS]
    near = get_close_matches(name, [*TASKS, *combinations], n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"must be one of {', '.join(TASKS)}, package.module:function, or data/network such as "
        f"cifar10/resnet18 with data one of {', '.join(DATASETS)}{hint}"
    )


def factory(name: str) -> Callable[..., Task]:
    """Return the function that makes the task ``name``.

    Raises:
        ValueError: If ``name`` is neither registered, nor ``data/network``, nor the
            ``package.module:function`` of a callable.
    """
    if rule := name_rule(name):
        raise ValueError(f"task {rule}, but got {name!r}")
    if name in TASKS:
        return TASKS[name]
    if not is_own(name):
        data, _, model = name.partition("/")
        return combined(data, model)
    return _own_function(name, "returns a Task")


def load(name: str, **options: object) -> Task:
    """Make the task ``name``; ``options`` go to its function.

    Raises:
        ValueError: If there is no such task, it takes no such option, it returns no ``Task``, or its source has
            changed since this process imported it.
    """
    make = factory(name)
    _check_options(name, make, options)
    task = make(**options)
    if not isinstance(task, Task):
        raise ValueError(f"task {name!r} must return a robustness.tasks.Task, but returned {task!r}")
    return replace(task, name=name, options=options, code=source_code(name))


def load_function(
    name: str, metric: Metric, options: Mapping[str, object], version: str = "1", examples: int | None = None
) -> TrainingFunction:
    """Find a training function; it is not called.

    Args:
        name: ``package.module:function``.
        metric: What it is judged by; of the error, ``nothing`` gives the accuracy of knowing nothing too.
        options: What the function gets beside its run.
        version: As ``TrainingFunction.version``.
        examples: As ``TrainingFunction.examples``.

    Raises:
        ValueError: If there is no such function, or it takes no such option.
    """
    function = _own_function(name, "trains")
    if not inspect.signature(function).parameters:
        raise ValueError(f"task {name!r}: must take the run as its first argument")
    _check_options(name, function, options, 1)
    error = metric.nothing if metric.source == "accuracy" else None
    return TrainingFunction(
        name,
        function,
        metric,
        options,
        version,
        examples,
        chance_accuracy=None if error is None else round(1 - error, 12),
        code=source_code(name),
    )


def _own_function(name: str, does: str) -> Callable[..., Any]:
    """Return a user's function; ``does`` says in an error what it is to do.

    Raises:
        ValueError: If there is none of that name.
    """
    try:
        function = resolve(name)
    except ValueError as error:
        raise ValueError(f"task {name!r} {error}") from error
    if not callable(function):
        raise ValueError(f"task {name!r} must be a function that {does}, but it is {function!r}")
    return function


def _check_options(
    name: str, function: Callable[..., Any], options: Mapping[str, object], given: int = 0
) -> None:
    """Refuse options that a function does not take beside the arguments that it is ``given`` anyway.

    Raises:
        ValueError: If it takes no such option, or needs another.
    """
    signature = inspect.signature(function)
    try:
        signature.bind(*[None] * given, **options)
    except TypeError as error:
        allowed = ", ".join([*signature.parameters][given:]) or "none"
        raise ValueError(f"task {name!r}: {error}; its options are: {allowed}") from error


def catalogue() -> Iterator[tuple[str, str, str]]:
    """Yield name, description and options, with their defaults, of every task, image data set and network."""
    for name, make in TASKS.items():
        yield name, _first_line(make), _options(make)
    for name, (_, description) in DATASETS.items():
        yield f"{name}/…", description, _options(combined(name, "resnet18"))
    for name, build in NETWORKS.items():
        yield f"…/{name}", _first_line(build), _options(build)
    yield "…/<name>", "any other classification network of torchvision.models, as it is", ""


def _first_line(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


def _options(function: Callable[..., object]) -> str:
    parameters = inspect.signature(function).parameters.values()
    shown = [
        f"{p.name}={_shown(p.default)}" if p.default is not p.empty else p.name
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    ]
    return ", ".join(shown)


def _shown(value: object) -> object:
    return "[]" if value == () else "null" if value is None else value
