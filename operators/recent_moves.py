"""Moves of the last hours that no pane of the journey map counts yet.

In: moves, in any order of time. Out: what an hour counts so far, and the moves themselves once somebody wants them by
the minute. Refused: nothing. Nobody looks at the minutes of a recording that is read, and to count in minutes what is
then merged into hours costs more than all the rest of monitoring: so moves wait here until their hour is old, or
somebody looks. The caller sees to it that no more wait than he has memory for.
"""

from collections.abc import Iterator, Sequence

from operators.journey_map import HOUR_MS, Pane, count_moves
from operators.moves import Move, at_ms_of


class RecentHour:
    """One hour's moves; ``counted`` holds the first ``how_many`` of them."""

    __slots__ = ("counted", "how_many", "moves")

    def __init__(self) -> None:
        self.moves: list[Move] = []
        self.counted: Pane = {}
        self.how_many = 0

    def count(self) -> Pane:
        """All its moves, counted."""
        count_moves(self.counted, self.moves[self.how_many :])
        self.how_many = len(self.moves)
        return self.counted


class RecentMoves:
    """Moves by the hour they are of. ``newest_ms``: of all that ever came, -1 before; ``waiting``: how many wait."""

    def __init__(self) -> None:
        self.hours: dict[int, RecentHour] = {}
        self.newest_ms = -1
        self.waiting = 0

    def add(self, moves: Sequence[Move]) -> None:
        """More moves, at least one."""
        oldest_ms, newest_ms = min(map(at_ms_of, moves)), max(map(at_ms_of, moves))
        if oldest_ms // HOUR_MS == newest_ms // HOUR_MS:
            self._hour(oldest_ms).moves += moves
        else:
            for move in moves:
                self._hour(move[2]).moves.append(move)
        self.newest_ms = max(self.newest_ms, newest_ms)
        self.waiting += len(moves)

    def between(self, start_ms: int, end_ms: int) -> Iterator[Pane]:
        """What the hours that lie in a span have counted."""
        return (hour.count() for at_ms, hour in self.hours.items() if start_ms <= at_ms < end_ms)

    def pop_old(self) -> Iterator[tuple[int, RecentHour]]:
        """Takes out the hours before the last one, of which no minutes are kept, each with when it began."""
        for start_ms in sorted(self.hours):
            if start_ms // HOUR_MS < self.newest_ms // HOUR_MS - 1:
                yield start_ms, self._pop(start_ms)

    def pop_moves(self) -> list[Move]:
        """Takes out all moves that wait."""
        return [move for start_ms in sorted(self.hours) for move in self._pop(start_ms).moves]

    def _hour(self, at_ms: int) -> RecentHour:
        start_ms = at_ms // HOUR_MS * HOUR_MS
        hour = self.hours.get(start_ms)
        if hour is None:
            hour = self.hours[start_ms] = RecentHour()
        return hour

    def _pop(self, start_ms: int) -> RecentHour:
        hour = self.hours.pop(start_ms)
        self.waiting -= len(hour.moves)
        return hour
