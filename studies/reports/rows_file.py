"""A file of rows that another tool has written, as one part of a report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field, ValidationError

import analysis
from studies.spec import strict_yaml
from studies.spec.errors import InputError
from studies.spec.problems import describe, one_line
from studies.spec.values import Option, Strict, Text

READERS: dict[str, Callable[[Any], pd.DataFrame]] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
"""How a file of rows is read, by its suffix."""


class RowsMap(Strict):
    """What a YAML file says of the rows in another: the arguments of ``analysis.from_runs``."""

    columns: dict[Text, Text] = Field(default_factory=dict)
    constants: dict[Text, Annotated[Any, Option]] = Field(default_factory=dict)
    percent: Annotated[bool, Field(strict=True)] = False

    @classmethod
    def read(cls, path: str | Path) -> RowsMap:
        """Read the file.

        Raises:
            InputError: If it cannot be read or holds something else; one line that begins with the file.
        """
        try:
            return cls.model_validate(strict_yaml.parse(strict_yaml.read_text(Path(path))))
        except ValidationError as error:
            reason = describe(error, {(): list(cls.model_fields)})
        except InputError as error:
            reason = str(error).removeprefix(f"{path}: ")
        raise InputError(one_line(f"{path}: {reason}"))


@dataclass(frozen=True)
class RowsFile:
    """Rows from a file.

    Attributes:
        location: The file.
        rows: As ``analysis.REQUIRED`` describes them, with a ``trial_id`` that is theirs in this report alone.
    """

    location: str
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return Path(self.location).stem

    @classmethod
    def read(cls, path: str | Path, columns: str | Path | None = None) -> RowsFile:
        """Read the rows.

        Args:
            path: A file whose suffix is one of ``READERS``.
            columns: A file as ``RowsMap`` describes it; none where columns have the names of ``analysis.REQUIRED``.

        Raises:
            InputError: If a file cannot be read, or its rows are not as ``analysis.from_runs`` needs them; one line.
        """
        said = RowsMap.read(columns) if columns is not None else RowsMap()
        try:
            frame = READERS[Path(path).suffix](path)
        except Exception as error:  # pandas and pyarrow raise many kinds
            raise InputError(one_line(f"{path}: cannot be read: {type(error).__name__}: {error}")) from error
        if frame.empty:
            raise InputError(f"{path}: holds no row")
        try:
            rows = analysis.from_runs(frame, said.columns, constants=said.constants, percent=said.percent)
            analysis.errors(rows)
        except ValueError as error:
            raise InputError(one_line(f"{path}: {error}")) from error
        return cls(str(path), rows.assign(trial_id=_ids(path, len(rows))))


def _ids(path: str | Path, count: int) -> list[str]:
    """Return names for rows of the form that a trial's id has, since the page tells rows of studies apart by it."""
    return [hashlib.sha256(f"{path}:{row}".encode()).hexdigest()[:16] for row in range(count)]


def is_rows_file(location: str | Path) -> bool:
    """Return whether a location is that of a file of rows rather than of a study's folder."""
    return "://" not in str(location) and Path(location).suffix in READERS and not Path(location).is_dir()
