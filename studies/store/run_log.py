"""The log of a study's runs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studies.store.files import writing
from studies.store.layout import RUN_LOG
from studies.store.store import Store

logger = logging.getLogger("studies")


class _LogFile(logging.FileHandler):
    """A log file that stays silent on a full disk: the store says so itself, in one line."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave the line out."""

    def close(self) -> None:
        """Close the file, even if some of it could not be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def log_file(store: Store) -> Iterator[None]:
    """Log to a file in the study's folder, or, if that is not a local one, in the folder of temporary files."""
    local = "://" not in store.location
    path = Path(store.root if local else tempfile.gettempdir()) / RUN_LOG
    with writing(store.location):
        handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
