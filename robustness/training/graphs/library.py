"""Compiled graphs, kept in the user's cache folder: what one process has compiled, all others of the machine load.

A graph is found by what decides it (``identity``, and the shapes of its arguments), so that nothing has to be traced
or compared to find it. It is used only after it has given the numbers of the function that it was made from, once,
when it was compiled; and once in each process where what decides it may not be all, as with a loss that is a closure.
Processes that need the same graphs wait for the first of them to compile.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from filelock import FileLock
from torch import Tensor

from robustness.optimizers.fast.compiling import compiled
from robustness.tasks.storage import cache_home
from robustness.training.graphs.calls import NativeGraph, run
from robustness.training.graphs.loading import graph_function, graph_text

logger = logging.getLogger(__name__)

# Seconds after which nobody waits any longer for another process to compile.
LONGEST = 600.0
# Part of every key: raise it when graphs are stored in another way.
FORMAT = 2

OnTensors: TypeAlias = Callable[..., tuple[Tensor, ...]]
"""A function of tensors alone, as a compiled graph is."""


@dataclass(frozen=True)
class Wanted:
    """A function that is to be compiled for tensors of certain shapes.

    Attributes:
        name: Of the function, and whatever tells it from others of its task, as values of JSON.
        function: Takes tensors and returns tensors; may write into its arguments.
        arguments: Examples of what it takes.
        context: In which it computes.
        tolerance: How far a graph may be from it, as a share of the largest number.
        told: Whether name and identity say all of how it computes; a graph of another function is compared again by
            each process that loads it.
    """

    name: Sequence[Any]
    function: OnTensors
    arguments: tuple[Tensor, ...]
    context: AbstractContextManager[Any]
    tolerance: float
    told: bool = True


class Library:
    """Compiled functions of one task on one device.

    Args:
        identity: What decides, beside name and shapes, how its functions compute.
        device: ``cpu``: graphs on disk. ``cuda``: what ``torch.compile`` gives.
    """

    def __init__(self, identity: Sequence[Any], device: str) -> None:
        self.identity, self.device = identity, device
        self.known: dict[str, OnTensors] = {}

    def functions(self, wanted: Sequence[Wanted]) -> list[OnTensors]:
        """Return each as a graph, compiled now if it is not on disk; one that cannot be is returned as it is."""
        keys = [self._key(one) for one in wanted]
        new = {key: one for key, one in zip(keys, wanted, strict=True) if key not in self.known}
        if self.device == "cpu":
            self.known |= _from_disk(new) if new else {}
        else:
            self.known |= {key: compiled(one.function, dynamic=False) for key, one in new.items()}
        return [self.known[key] for key in keys]

    def has(self, wanted: Sequence[Wanted]) -> bool:
        """Return whether all of them are compiled already."""
        folder = cache_home() / "graphs"
        return all((folder / f"{self._key(one)}.json").exists() for one in wanted)

    def _key(self, wanted: Wanted) -> str:
        tensors = [(tuple(one.shape), one.stride(), str(one.dtype)) for one in wanted.arguments]
        whole = json.dumps([FORMAT, self.identity, wanted.name, tensors], default=repr)
        return hashlib.sha256(whole.encode()).hexdigest()[:24]


def in_a_row(function: OnTensors, arguments: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """Return what ``function`` returns for each of ``arguments``; native ones without Python in between."""
    if not isinstance(function, NativeGraph):
        return [function(*one) for one in arguments]
    calls = [function.call(*one) for one in arguments]
    run(calls)
    return [call.results() for call in calls]


def _from_disk(wanted: dict[str, Wanted]) -> dict[str, OnTensors]:
    """Return graphs by their keys; those that nobody has compiled yet are compiled here, while others wait."""
    folder = cache_home() / "graphs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _found(folder, wanted)
        if len(found) == len(wanted):
            return found
        with FileLock(folder / "lock", timeout=LONGEST):
            return _found_or_built(folder, wanted)
    except OSError:  # nothing can be kept, or who compiles hangs: this process compiles for itself
        with tempfile.TemporaryDirectory(prefix="robustness-") as own:
            return _found_or_built(Path(own), wanted)


def _found_or_built(folder: Path, wanted: dict[str, Wanted]) -> dict[str, OnTensors]:
    found = _found(folder, wanted)
    missing = {key: one for key, one in wanted.items() if key not in found}
    if missing:
        found |= _built(folder, missing)
    return found


def _found(folder: Path, wanted: dict[str, Wanted]) -> dict[str, OnTensors]:
    """Return the graphs that are on disk and are those of what is wanted."""
    graphs = {key: _load(folder, key) for key in wanted}
    return {
        key: graph
        for key, graph in graphs.items()
        if graph is not None and (wanted[key].told or difference(wanted[key], graph) is None)
    }


def _load(folder: Path, key: str) -> OnTensors | None:
    """Return a graph that is on disk, or None."""
    try:
        kept = json.loads((folder / f"{key}.json").read_text())
        return _function(folder, key, kept)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError, AttributeError):
        return None


def _function(folder: Path, key: str, kept: Mapping[str, Any]) -> OnTensors:
    """Return the graph that ``kept`` describes."""
    if "symbol" in kept:
        return NativeGraph(folder / kept["library"], kept["symbol"], kept["layout"])
    return graph_function(folder / f"{key}.py", kept["kernels"], folder / kept["library"])


def _built(folder: Path, wanted: dict[str, Wanted]) -> dict[str, OnTensors]:
    """Compile graphs, compare them with their functions, and keep those that agree."""
    from robustness.training.graphs.building import build
    from robustness.training.graphs.lowering import Lowered, NotLoweredError, lowered
    from robustness.training.graphs.native import Native, translated

    graphs: dict[str, Lowered | Native] = {}
    found: dict[str, OnTensors] = {key: one.function for key, one in wanted.items()}
    try:
        for key, one in wanted.items():
            with one.context:
                graphs[key] = translated(lowered(one.function, one.arguments), one.arguments)
        library = build(list(graphs.values()), folder)
    except NotLoweredError as error:
        logger.warning("compiling failed (%s); continuing uncompiled: slower, same results", error)
        return found
    for key, one in wanted.items():
        graph, kept = graphs[key], dict[str, Any](library=library.name)
        if isinstance(graph, Native):
            kept |= {"symbol": graph.symbol, "layout": asdict(graph.layout)}
        else:
            kept |= {"kernels": {kernel.name: kernel.symbol for kernel in graph.kernels}}
            _write(folder / f"{key}.py", graph_text(graph.body))
        function = _function(folder, key, kept)
        if (problem := difference(one, function)) is not None:
            logger.warning("a compiled graph %s; continuing uncompiled: slower, same results", problem)
            continue
        found[key] = function
        _write(folder / f"{key}.json", json.dumps(kept))
    return found


def _write(path: Path, text: str) -> None:
    """Write a file that is whole or not there."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def difference(wanted: Wanted, graph: OnTensors) -> str | None:
    """Return in words how a graph's numbers differ from those of its function, beyond rounding, or None."""
    results = []
    for function in (wanted.function, graph):
        arguments = [one.clone() for one in wanted.arguments]
        try:
            with wanted.context:
                returned = function(*arguments)
        except Exception as error:  # a graph is torch's text, run here: anything may be missing
            return f"fails ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        results.append([*returned, *arguments])
    for one, other in zip(*results, strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"returns {list(other.shape)} for {list(one.shape)}"
        if not _alike(one, other, wanted.tolerance):
            return "gives other numbers than its function"
    return None


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    if not one.is_floating_point() or not one.numel():
        return torch.equal(one, other)
    largest = float(one.abs().nan_to_num(posinf=0).max())
    return torch.allclose(one, other, rtol=tolerance, atol=tolerance * largest, equal_nan=True)
