"""Ctrl-C and SIGTERM during a run: the step under way ends, and the state is saved before the run stops."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

AGREE_EVERY = 10
"""Steps between two agreements of several processes, because each agreement waits for all of them."""


class StopSignals:
    """Notes the first SIGINT or SIGTERM between `install` and `restore`; a second one acts as it did before.

    Attributes:
        received: the number of the signal that arrived; None until then.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def install(self) -> None:
        """Start to note the signals; does nothing outside the main thread, where Python allows no handlers."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.getsignal(number)
                signal.signal(number, self._note)
        except ValueError:
            self._previous = {}

    def restore(self) -> None:
        """Bring the previous handlers back; may be called several times."""
        for number in list(self._previous):
            self._restore_one(number)
        self._previous = {}

    def agreed(self, trainer: Trainer, step: int) -> bool:
        """Tell whether to stop after `step`: with several processes, all of them decide the same."""
        received = self.received is not None
        if trainer.world_size == 1:
            return received
        if step % AGREE_EVERY:
            return False
        return bool(trainer.strategy.reduce_boolean_decision(received, all=False))

    def _note(self, number: int, frame: object) -> None:
        self.received = number
        self._restore_one(number)

    def _restore_one(self, number: int) -> None:
        # None stands for a handler that was not installed from Python and that Python cannot bring back.
        signal.signal(number, self._previous.get(number) or signal.SIG_DFL)
