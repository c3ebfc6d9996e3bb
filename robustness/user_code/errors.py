"""Where an error of a user's code comes from, as the messages of trials have it."""

from __future__ import annotations

import traceback
from pathlib import PurePath


def shown_place(file: str, line: int | str) -> str:
    """Return ``file.py:12``, without the folders."""
    return f"{PurePath(file).name}:{line}"


def place_of(error: BaseException) -> str:
    """Return the file and the line that raised an error."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return shown_place(where.filename, where.lineno or 0)
