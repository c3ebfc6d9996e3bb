"""Fast paths of the optimizers: the same rules on fewer and longer vectors, tile by tile, or compiled.

A rule is a dozen operations on every tensor, so small parameters are gathered into one vector. Uncompiled, a long
vector is updated tile by tile on a CPU, so that each operation reads from the cache what the one before has written.
Compiled, an update is a single pass over memory. The numbers are those of the plain path, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers.fast.compiling import compiled, compiler_found
from robustness.optimizers.fast.vectors import Job, Piece, Vector, memory_format, total
from robustness.optimizers.rule import (
    Hyper,
    Rule,
    Scalar,
    Scalars,
    State,
    begin,
    finish,
    predicted_total,
    seen,
    step_scalars,
    uses_global_moment,
)

# Below so many elements, gathering costs less than a dozen operations or a compiled call (measured on 2 cores of a
# Xeon; on a GPU, launching a dozen kernels takes as long as moving megabytes).
GATHERED_CPU, GATHERED_ELSEWHERE = 2**14, 2**20
# Elements in a tile: half a megabyte of float32 in each of the tensors involved.
TILE = 2**17
# Vectors in a compiled call, which costs 40 microseconds of its own; each of these numbers is a graph to compile.
AT_ONCE = (16, 4, 1)
COMPILED_DTYPES = (torch.float32, torch.float64)

Vectors = dict[tuple[int, ...], Vector]


class Work:
    """One step of a parameter as it is, or of a vector.

    Args:
        rule: The rule.
        jobs: One parameter, or several that share their scalars.
        vector: The vector that holds them; None for one parameter as it is.

    Attributes:
        job: The first of the jobs.
        scope: What ``G`` is the mean over: ``model`` or ``tensor``.
        size: Number of elements.
    """

    def __init__(self, rule: Rule, jobs: Sequence[Job], vector: Vector | None) -> None:
        self.rule, self.job, self.vector = rule, jobs[0], vector
        self.scope = self.job.group.get("scope", "model")
        self.size = sum(job.param.numel() for job in jobs)
        self.whole = Piece(*self.job[:3]) if vector is None else vector.gathered(jobs)
        self.seen: list[Tensor] = []

    def start(self) -> Scalar:
        """Take the gradients into the states and return the sum of ``exp_avg_sq``."""
        value: Scalar = 0.0
        for piece in self._pieces():
            self.seen.append(begin(self.rule, *piece, self.job.scalars))
            value = value + total(piece.state["exp_avg_sq"])
        return value

    def end(self, scalars: Scalars) -> None:
        """Move the parameters, by scalars that have absorbed ``G^``."""
        for piece, grad in zip(self._pieces(), self.seen, strict=True):
            finish(self.rule, piece.param, grad, piece.state, scalars)
        self._scatter()

    def run(self, scalars: Scalars) -> None:
        """Do the whole update of a rule that does not use ``G``."""
        for piece in self._pieces():
            _update(self.rule, *piece, scalars)
        self._scatter()

    def prepared(self, scalars: Scalars) -> Scalars:
        """Return the scalars in the form that ``end`` and ``run`` take."""
        return scalars

    def _pieces(self) -> Iterator[Piece]:
        if self.vector is None or self.whole.param.device.type != "cpu" or self.size <= TILE:
            yield self.whole
            return
        length = -(-self.size // round(self.size / TILE))
        param, grad, state = self.whole
        tiles = {slot: value.split(length) for slot, value in state.items()}
        for i, (p, g) in enumerate(zip(param.split(length), grad.split(length), strict=True)):
            yield Piece(p, g, {slot: parts[i] for slot, parts in tiles.items()})

    def _scatter(self) -> None:
        if self.vector is not None:
            self.vector.scatter(self.whole.param)


class CompiledWork(Work):
    """The same in one compiled pass: ``G`` is predicted from the sums of ``v`` and of the squared gradient."""

    vector: Vector
    predicted: Scalar | None = None

    def start(self) -> Scalar:
        """Return what the sum of ``exp_avg_sq`` will be; nothing is updated yet."""
        grad = seen(self.whole.param, self.whole.grad, self.job.scalars)
        self.predicted = predicted_total(self.vector.total(), grad, self.job.scalars)
        return self.predicted

    def updated(self) -> None:
        """Note that ``update_compiled`` has done the whole update."""
        self.vector.keep_total(self.predicted)
        self._scatter()
        # Compiled code has written to the parameters' memory behind autograd's back.
        torch.autograd.graph.increment_version(self.vector.params)

    def prepared(self, scalars: Scalars) -> Scalars:
        """Return the scalars; those that change from step to step are tensors, the others are compiled in."""
        param = self.whole.param
        numbers = {name: float(value) for name, value in scalars.items() if _is_number(value)}
        names = [name for name in _moving(self.rule, self.job.group, param.dtype) if name in numbers]
        moving = torch.tensor([numbers[name] for name in names], dtype=param.dtype).to(param.device)
        return {**scalars, **numbers, **dict(zip(names, moving.unbind(), strict=True))}


def arranged(rule: Rule, jobs: Sequence[Job], kept: Vectors) -> tuple[list[Work], Vectors]:
    """Group the parameters of a step into units of work.

    Args:
        rule: The rule.
        jobs: The parameters.
        kept: The vectors of the step before.

    Returns:
        The work, and the vectors it needs; those that still fit are taken from ``kept``.
    """
    works: list[Work] = []
    together: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        if not _may_be_vector(job):
            works.append(Work(rule, [job], None))
            continue
        most = GATHERED_CPU if job.param.device.type == "cpu" else GATHERED_ELSEWHERE
        small = job.param.numel() < most and job.group.get("scope") != "tensor"
        whose = "small" if small else id(job.param)
        together.setdefault((id(job.scalars), job.param.device, whose), []).append(job)
    vectors = {}
    for members in together.values():
        key, compile_ = tuple(id(job.param) for job in members), _compiles(members[0])
        vector = kept.get(key)
        if vector is None or not vector.fits(members, compiled=compile_):
            vector = Vector(members, rule.slots, compiled=compile_)
        vectors[key] = vector
        works.append((CompiledWork if compile_ else Work)(rule, members, vector))
    return works, vectors


def run(rule: Rule, works: Sequence[Work]) -> None:
    """Do the updates of one step."""
    prepared: dict[tuple[Any, ...], Scalars] = {}  # most works share their scalars
    compiled_works: dict[tuple[Any, ...], list[CompiledWork]] = {}
    for work, moment in zip(works, _global_moments(rule, works), strict=True):
        owner = id(work) if work.scope == "tensor" else 0
        key = id(work.job.scalars), owner, type(work), work.job.param.device
        if key not in prepared:
            scalars = work.job.scalars
            if rule.absorb is not None and moment is not None:
                scalars = rule.absorb(scalars, moment)
            prepared[key] = work.prepared(scalars)
        if isinstance(work, CompiledWork):
            compiled_works.setdefault(key, []).append(work)
        else:
            (work.run if moment is None else work.end)(prepared[key])
    for key, alike in compiled_works.items():
        update_compiled(rule, alike, prepared[key])


@cache
def _compiling_contexts() -> tuple[Any, Any]:
    """Return contexts for compiling, made once, since each defines a class when it is made.

    By default torch compiles a graph for each pattern of equal lengths, and reads and converts even constants anew
    for every few elements. They are made when first used: torch's compiler takes seconds to import.
    """
    lengths = torch.fx.experimental._config.patch(use_duck_shape=False)  # type: ignore[attr-defined]
    return lengths, torch._dynamo.config.patch(specialize_float=True)


def update_compiled(rule: Rule, works: Sequence[CompiledWork], scalars: Scalars) -> None:
    """Do the whole updates of works that share their scalars, several in each call."""
    first = 0
    for count in AT_ONCE:
        while len(works) - first >= count:
            some = works[first : first + count]
            params, grads, states = zip(*(work.whole for work in some), strict=True)
            slots = [tuple(state.values()) for state in states]  # faster to check than dictionaries
            lengths, constants = _compiling_contexts()
            with lengths, constants:
                _compiled_updates(rule)(params, grads, slots, scalars)
            first += count
    for work in works:
        work.updated()


def with_betas(group: Hyper) -> Hyper:
    """Return a group's hyperparameters by name, ``betas`` also as ``beta1`` and ``beta2``."""
    if "betas" not in group:
        return group
    return {**group, "beta1": group["betas"][0], "beta2": group["betas"][1]}


def _global_moments(rule: Rule, works: Sequence[Work]) -> list[Scalar | None]:
    """Start each work and return its ``G^``, in float32 or better; None for all if none uses it.

    Each sum is bias-corrected by its own step and ``beta2`` before it enters the mean. Where these are the same
    for all, as they usually are, that is ``G / (1 - beta2**t)``.
    """
    if not any(uses_global_moment(rule, work.job.scalars) for work in works):
        return [None] * len(works)
    sums = [work.start() * work.job.scalars["global_correction"] for work in works]
    home, elements = works[0].job.param.device, sum(work.size for work in works)
    total_ = sum(s.to(home) if isinstance(s, Tensor) else s for s in sums)
    model = total_ / max(elements, 1)
    return [
        model if work.scope == "model" else s / max(work.size, 1) for work, s in zip(works, sums, strict=True)
    ]


def _may_be_vector(job: Job) -> bool:
    if type(job.param) not in (Tensor, torch.nn.Parameter):  # a subclass may give its memory another meaning
        return False
    if job.group["foreach"] is False and not job.group["compile"]:
        return False
    return memory_format(job) is not None


def _compiles(job: Job) -> bool:
    wanted = job.group["compile"] and job.param.dtype in COMPILED_DTYPES
    return wanted and compiler_found(job.param.device.type)


def _update(rule: Rule, param: Tensor, grad: Tensor, state: State, scalars: Scalars) -> None:
    finish(rule, param, begin(rule, param, grad, state, scalars), state, scalars)


@cache
def _compiled_updates(rule: Rule) -> Callable[..., None]:
    def updates(
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        states: Sequence[Sequence[Tensor]],
        scalars: Scalars,
    ) -> None:
        for param, grad, state in zip(params, grads, states, strict=True):
            _update(rule, param, grad, dict(zip(rule.slots, state, strict=True)), scalars)

    return compiled(updates, dynamic=True)


def _moving(rule: Rule, group: Hyper, dtype: torch.dtype) -> list[str]:
    """Return the names of the scalars that change from step to step, or may under a learning-rate schedule."""
    first, second = (step_scalars(rule, step, with_betas(group), dtype) for step in (1, 2))
    if rule.absorb is not None:
        first, second = rule.absorb(first, 1.0), rule.absorb(second, 4.0)
    return [
        name
        for name, value in first.items()
        if name in ("lr", "shrink") or (_is_number(value) and value != second[name])
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
