"""Files of a study's folder, wherever pyarrow reaches: a file is there whole or not at all, and for good.

What this covers: a reader never sees half a file, and a file that was written survives a power cut. On a disk the
content is flushed first, then the file gets its name, then the folder that has the name is flushed; an object store
shows a file only when it has taken all of it.

What it does not: disks that lose what they have acknowledged, network file systems that cannot flush a folder (there
the name may be lost, the content not), and two processes that write the same name: the last one counts. ``lock``
keeps a second driver away, ``part`` notices content that changed on the disk.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyarrow import fs as pafs

from studies.spec.errors import StoreError, SweepError
from studies.store.layout import WRITING_SUFFIX

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EISDIR}


class Files:
    """The files under one folder; names are relative to it.

    Args:
        location: A local path, or any address that ``pyarrow.fs`` knows (``s3://bucket/folder``).

    Raises:
        StoreError: If the location cannot be understood.
    """

    def __init__(self, location: str | Path) -> None:
        self.location = str(location)
        try:
            if "://" in self.location:
                self.fs, root = pafs.FileSystem.from_uri(self.location)
            else:
                self.fs, root = pafs.LocalFileSystem(), str(Path(self.location).absolute())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise StoreError(f"{self.location}: not a folder that can be opened: {error}") from error
        self.root = root.rstrip("/")
        self._local = self.fs.type_name == "local"
        self._objects = self.fs.type_name in ("s3", "gcs", "abfs")

    @property
    def identity(self) -> str:
        """What two ways of writing the same folder have in common; a local path's links are followed."""
        return os.path.realpath(self.root) if self._local else f"{self.fs.type_name}:{self.root}"

    def within(self, folder: str) -> str:
        """Return the location of a folder in this one, as ``Files`` takes it."""
        place, mark, options = self.location.partition("?" if "://" in self.location else "\0")
        return f"{place.rstrip('/')}/{folder}{mark}{options}"

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def list(self, folder: str = "") -> dict[str, int]:
        """Return the files of ``folder``, not those of folders in it: their names and sizes in bytes."""
        selector = pafs.FileSelector(self._path(folder), allow_not_found=True)
        infos = self.fs.get_file_info(selector)
        return {info.base_name: info.size for info in infos if info.type == pafs.FileType.File}

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self.fs.get_file_info(self._path(name)).type == pafs.FileType.File

    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Raises:
            FileNotFoundError: If there is none.
        """
        with self.fs.open_input_stream(self._path(name)) as stream:
            return stream.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; once this returns, it is on the disk."""
        final = self._path(name)
        if self._objects:
            with self.fs.open_output_stream(final) as stream:
                stream.write(content)
            return
        temporary = f"{final}.{uuid.uuid4().hex[:8]}{WRITING_SUFFIX}"
        self._make_folder(os.path.dirname(final))
        try:
            with self.fs.open_output_stream(temporary) as stream:
                stream.write(content)
            self._sync(temporary)
            self.fs.move(temporary, final)
        except BaseException:
            with suppress(OSError):
                self.fs.delete_file(temporary)
            raise
        self._sync(os.path.dirname(final))

    def move(self, name: str, to: str) -> None:
        """Give a file another name."""
        if not self._objects:
            self._make_folder(os.path.dirname(self._path(to)))
        self.fs.move(self._path(name), self._path(to))

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(FileNotFoundError):
            self.fs.delete_file(self._path(name))

    def folders_to_make(self) -> Sequence[str]:
        """Return the folder itself and those above it that are not there, where it is a local one."""
        folders = [Path(self.root), *Path(self.root).parents] if self._local else []
        return [str(folder) for folder in folders if not folder.exists()]

    def delete_if_empty(self, folders: Iterable[str] = ()) -> None:
        """Delete the folder itself, where it is a local one, and then others, as far as they hold nothing."""
        if self._local:
            with suppress(OSError):
                for folder in dict.fromkeys((self.root, *folders)):
                    os.rmdir(folder)

    def _make_folder(self, path: str) -> None:
        """Make a folder and those above it, and wait until their names are on the disk."""
        if self.fs.get_file_info(path).type == pafs.FileType.Directory:
            return
        above = os.path.dirname(path)
        if above != path:
            self._make_folder(above)
        self.fs.create_dir(path, recursive=False)
        self._sync(above)

    def _sync(self, path: str) -> None:
        """Wait until a local file's content, or a folder's names, are on the disk."""
        if not self._local:
            return
        try:
            opened = os.open(path, os.O_RDONLY)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
            return
        try:
            os.fsync(opened)
        except OSError as error:  # a few network file systems cannot do so for folders
            if error.errno not in _NO_SYNC:
                raise
        finally:
            os.close(opened)


@contextmanager
def writing(location: str, *, started: bool = True) -> Iterator[None]:
    """Turn an error of the disk, within, into one line that says what to do.

    Args:
        location: The study's folder.
        started: Whether it could be written to before.

    Raises:
        SweepError: If the disk is full, or writing worked before and no longer does.
        StoreError: If the folder cannot be written to in the first place.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        if not (full or started):
            raise StoreError(f"{location}: cannot be written to: {error}") from error
        reason = os.strerror(error.errno) if full and error.errno else str(error)
        advice = "make room, then give the same command again" if full else "give the same command again"
        raise SweepError(
            f"{location}: cannot be written to: {reason}; what was stored is kept: {advice}"
        ) from error
