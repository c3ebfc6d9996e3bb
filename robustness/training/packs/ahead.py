"""Compiling ahead: a process beside this one compiles what packs will need, while this one goes on."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch

from robustness.tasks import Task
from robustness.training.graphs.library import Wanted
from robustness.training.packs.block import Block
from robustness.training.packs.columns import kind
from robustness.training.packs.trainer import PackTrainer
from robustness.training.settings import TrialSettings

Packs: TypeAlias = Sequence[Sequence[TrialSettings]]
"""Trials that are trained together, or one block after the other."""


def build_ahead(task: Task, stages: Sequence[Packs], *, look_only: bool = False) -> bool:
    """Begin to compile what packs need on a CPU, in a process that ends by itself, or with this one.

    Whoever needs a graph waits until it is compiled, or compiles it, so nothing depends on how far this gets. Except
    on Linux, where a fork finds all imports ready, nothing is begun.

    Args:
        task: What is trained.
        stages: What is compiled first comes first.
        look_only: Begin nothing.

    Returns:
        Whether everything is compiled already.
    """
    trainer = PackTrainer(task, compile=True)
    library = trainer.context.library
    if library is None or all(library.has(wanted_by(trainer, packs)) for packs in stages):
        return True
    if look_only or sys.platform != "linux":
        return False
    with warnings.catch_warnings():  # of threads, which this child uses none of
        warnings.simplefilter("ignore", DeprecationWarning)
        multiprocessing.get_context("fork").Process(
            target=_build, args=(trainer, stages), daemon=True
        ).start()
    return False


def _build(trainer: PackTrainer, stages: Sequence[Packs]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; with it this process ends
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # what is wrong, those say who need the graphs
    torch.set_num_threads(1)
    gc.disable()  # a tenth of the time, for what is left to the end of a short process
    assert trainer.context.library is not None  # or everything would be compiled already
    for packs in stages:
        trainer.context.library.functions(wanted_by(trainer, packs))


def wanted_by(trainer: PackTrainer, packs: Packs) -> list[Wanted]:
    """Return what ``packs`` compute, each function once."""
    found: dict[tuple[Any, ...], list[Wanted]] = {}
    for pack in packs:
        for indices in trainer.blocks(pack):
            trials = [pack[index] for index in indices]
            needed = kind(trials)
            if needed not in found:
                found[needed] = list(Block(trainer.context, trials).wanted().values())
    return [one for several in found.values() for one in several]
