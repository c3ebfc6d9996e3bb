"""Where a study was read from: a file, a preset or a folder; what its messages begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr

from studies.spec import strict_yaml
from studies.spec.errors import SpecError
from studies.spec.problems import one_line
from studies.spec.values import Strict


class Sourced(Strict):
    """What can be read from YAML and knows from where it was read.

    The same values are equal wherever they were read from.
    """

    _folder: Path | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="study")
    _file: Path | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.model_dump() == other.model_dump()

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a study file; the user's own modules may be in the same folder.

        Raises:
            SpecError: If there is no such file or it holds no valid study; one line, beginning with the file.
        """
        try:
            return cls.from_text(strict_yaml.read_text(Path(path)), str(path), Path(path).resolve().parent)
        except OSError as error:
            raise SpecError(f"{path}: cannot be read: {error}") from None

    @classmethod
    def from_text(cls, text: str, source: str, folder: Path | None = None, *known: Any) -> Self:
        """Read a study from ``text``; nothing that it names is imported.

        Args:
            text: YAML.
            source: What messages begin with.
            folder: Where the user's own modules may be.
            known: What its constructor takes beside the values of the file.

        Raises:
            SpecError: If it holds no valid study.
        """
        try:
            spec = cls(*known, **strict_yaml.parse(text))
        except SpecError as error:
            raise SpecError(one_line(f"{source}: {error}")) from None
        spec.read_from(folder, source, None if folder is None else folder / Path(source).name)
        return spec

    def read_from(self, folder: Path | None, source: str, file: Path | None) -> None:
        """Remember where this was read from: the folder of the user's own modules, what messages say, the file."""
        self._folder, self._source, self._file = folder, source, file

    def to_yaml(self) -> str:
        """Return a study file with the same values, every default written out."""
        return strict_yaml.dump(self.model_dump(mode="json"))

    @property
    def file(self) -> Path | None:
        """The file that this study was read from; None for a preset and for a study from Python."""
        return self._file

    @property
    def source(self) -> str:
        """What messages begin with: the file or the preset that this study was read from; otherwise "study"."""
        return self._source

    @property
    def folder(self) -> Path | None:
        """The folder of the study's file, where a user's own modules may be; None where there is no file."""
        return self._folder
