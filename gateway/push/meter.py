"""What the push side tells whoever counts.

In: calls from the push. Out: the gateway's counters. Refused: nothing.
"""

from typing import Protocol


class PushMeter(Protocol):
    """Called by the push as things happen."""

    def opened(self, role: str) -> None:
        """A desk or bot has said who it is."""

    def ended(self, role: str) -> None:
        """It has gone."""

    def sent(self, kind: str, event_ms: int | None) -> None:
        """A frame of ``kind`` has gone out; ``event_ms``: when its event happened, for frames sent live."""

    def closed(self, code: int) -> None:
        """We have closed a connection with ``code``."""

    def overflowed(self) -> None:
        """A desk did not read what was waiting for it."""

    def withheld(self) -> None:
        """An entry was not for the eyes of a desk."""

    def task_failed(self, task: str) -> None:
        """A round of the background task with this name failed unexpectedly."""


class NoMeter:
    """Counts nothing."""

    def opened(self, role: str) -> None:
        """See PushMeter."""

    def ended(self, role: str) -> None:
        """See PushMeter."""

    def sent(self, kind: str, event_ms: int | None) -> None:
        """See PushMeter."""

    def closed(self, code: int) -> None:
        """See PushMeter."""

    def overflowed(self) -> None:
        """See PushMeter."""

    def withheld(self) -> None:
        """See PushMeter."""

    def task_failed(self, task: str) -> None:
        """See PushMeter."""
