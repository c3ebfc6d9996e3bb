"""The tasks of ``sweep_throughput.py``: options that all contenders get, and data for those without this project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# char-lm is made small: one block of width 32 on the first characters of its text; 80 % of them make 24 batches of 64
SMALL = {"context": 32, "width": 32, "depth": 1, "heads": 4}
CHARACTERS = 61_500

TASKS = ("digits-mlp", "digits-cnn", "char-lm")


def options_of(task: str, folder: Path) -> dict[str, Any]:
    """Return the options of a task; what they refer to is written to ``folder``."""
    if task != "char-lm":
        return {}
    from robustness.tasks.language.text import read_text

    text = folder / "text.txt"
    text.write_text(read_text(None)[:CHARACTERS], encoding="utf-8")
    return {"text": str(text), **SMALL}


def write_data(task: str, options: dict[str, Any], folder: Path) -> None:
    """Write the splits of a task to ``data.npz``, with how many characters its text has, if it has one."""
    import numpy as np

    from robustness.tasks import load

    if task != "char-lm":
        return
    loaded = load(task, **options)
    arrays = {}
    for name, split in loaded.splits.items():
        arrays[f"{name}_inputs"] = split.inputs.numpy().astype(np.int32)
        arrays[f"{name}_targets"] = split.targets.numpy().astype(np.int32)
    characters = loaded.model().head.out_features
    np.savez(folder / "data.npz", characters=np.int32(characters), **arrays)
