"""Ctrl-C and SIGTERM during a run."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from pixelwise.training.callback.stop_signals import StopSignals


@pytest.fixture
def caught(monkeypatch):
    """A SIGTERM handler that notes its calls, as that of whoever calls us."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_the_first_is_noted_and_the_second_acts_as_before(caught):
    signals = StopSignals()
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    assert (signals.received, caught) == (signal.SIGTERM, [])
    os.kill(os.getpid(), signal.SIGTERM)
    assert caught == [signal.SIGTERM]
    signals.restore()


def test_handlers_are_restored(caught):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    signals = StopSignals()
    signals.install()
    assert signal.getsignal(signal.SIGINT) != before[0]
    for _ in range(2):  # after an error Lightning calls both hooks
        signals.restore()
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    os.kill(os.getpid(), signal.SIGTERM)
    assert caught == [signal.SIGTERM]


def test_another_thread_takes_no_signals():
    before = signal.getsignal(signal.SIGINT)
    signals = StopSignals()
    thread = threading.Thread(target=lambda: (signals.install(), signals.restore()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before


def test_several_processes_agree_every_ten_steps():
    asked: list[bool] = []

    def reduce(decision: bool, all: bool) -> bool:
        asked.append(decision)
        return True  # another process got a signal

    several = SimpleNamespace(world_size=2, strategy=SimpleNamespace(reduce_boolean_decision=reduce))
    signals = StopSignals()
    assert [signals.agreed(several, step) for step in range(9, 12)] == [False, True, False]
    assert asked == [False]
    assert not signals.agreed(SimpleNamespace(world_size=1), 10)
    signals.received = signal.SIGINT
    assert signals.agreed(SimpleNamespace(world_size=1), 11)
