"""Ctrl-C: noted at first, so that what is finished can be collected; at once the second time."""

import os
import signal
import threading

import pytest

from studies.sweep.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_noted_and_raised_when_there_was_time_to_collect(number):
    before = signal.getsignal(number)
    with Interruption() as stop:
        stop.stop_after(0)
        os.kill(os.getpid(), number)
        assert stop.asked_at is not None
        assert signal.getsignal(number) is before  # a second one takes effect at once
        stop.stop_after(1000)
        with pytest.raises(KeyboardInterrupt):
            stop.stop_after(0)
    assert signal.getsignal(number) is before


def test_handlers_are_put_back_without_a_signal_and_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with Interruption():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError), Interruption():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_than_the_main_one_changes_no_handler():
    before, seen = signal.getsignal(signal.SIGINT), []

    def listen():
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [before]
