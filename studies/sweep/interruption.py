"""Ctrl-C and SIGTERM while packs run: the first asks for an end, the second takes effect at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """Whether the user has asked for an end; a context manager that listens for it.

    A first signal is only noted, so that what is finished can be collected. It puts back the handlers that were there
    before, so that a second one takes effect at once. In other threads than the main one, which alone gets signals,
    nothing is changed.

    Attributes:
        asked_at: When the first signal came, by ``time.monotonic``; None if none has.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        self.asked_at = time.monotonic()

    def stop_after(self, seconds: float) -> None:
        """Raise if an end was asked for ``seconds`` ago or more.

        Raises:
            KeyboardInterrupt: In that case.
        """
        if self.asked_at is not None and time.monotonic() - self.asked_at >= seconds:
            raise KeyboardInterrupt
