"""Who is killed, and when: a seeded list of strikes.

In: a seed and how many kills. Out: strikes, one kill each. A moment is a word that ``house.wait_for`` knows:
``starting`` (from the instant the process was begun), ``working`` (from when it says that it works), ``snapshot``
(from the next write of one), ``telling`` (from the next word it tells).
"""

from random import Random
from typing import Final, Literal, NamedTuple

Victim = Literal["engine", "gateway", "redis", "kafka"]
Moment = Literal["starting", "working", "snapshot", "telling"]

_VICTIMS: Final[dict[str, tuple[tuple[Victim, ...], tuple[int, ...]]]] = {
    "redis": (("engine", "gateway", "redis"), (72, 14, 14)),
    "kafka": (("engine", "gateway", "redis", "kafka"), (74, 10, 8, 8)),
}
_MOMENTS: Final[dict[Moment, float]] = {"starting": 1.5, "working": 1.5, "snapshot": 0.03, "telling": 0.02}
"""Each with the longest time that is waited from then on, in seconds."""

_WEIGHTS: Final = (20, 25, 25, 30)


class Strike(NamedTuple):
    """One kill. ``after_s``: from the moment; ``down_s``: until it is started again."""

    victim: Victim
    moment: Moment
    after_s: float
    down_s: float


def strikes(seed: str, kills: int, bus: str) -> list[Strike]:
    """The strikes of one run, in order."""
    chance = Random(seed)
    victims, weights = _VICTIMS[bus]
    return [_strike(chance.choices(victims, weights)[0], chance) for _ in range(kills)]


def _strike(victim: Victim, chance: Random) -> Strike:
    moment: Moment = chance.choices(tuple(_MOMENTS), _WEIGHTS)[0] if victim == "engine" else "working"
    down_s = chance.choice((0.0, 0.0, chance.uniform(0.0, 2.0)))
    return Strike(victim, moment, chance.uniform(0.0, _MOMENTS[moment]), down_s)
