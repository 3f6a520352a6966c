"""How large the measurements are: the full report, and a quick one to see that it runs and roughly how much."""

from typing import Final

import msgspec


class Scale(msgspec.Struct, frozen=True):
    """Sizes of everything.

    ``repeats``: turns of what is compared; ``simulated_events``, ``stock_events``: lines replayed, lines given to the
    stock windows; ``rate``: events a second posted for ``seconds``; ``busy_rate``: those of a busy site, of which
    ``struggles_a_second`` are timed; ``attempts``: open attempts, smallest first; ``turn_events``: events of a turn of
    the speed at those sizes; ``snapshot_attempts``: open attempts while snapshots are made; ``snapshot_events``:
    events timed meanwhile; ``snapshot_repeats``: rounds of it; ``recovery_attempts``: open while the engine is killed
    ``recovery_kills`` times; ``recovery_customers``: at the restart that has a limit; ``transactions_an_hour``: begun
    in a watched quarter; ``simulated_visits``: of customers whose truth is planted; ``push_desks``: on one gateway,
    told ``push_rate`` hints a second for ``push_seconds``; ``push_resets``: connections reset; ``member_attempts``:
    begun in the processes of a set; ``peer_events``: given to other engines, ``peer_repeats`` times.
    """

    repeats: int = 5
    simulated_events: int = 1_000_000
    simulated_repeats: int = 3
    stock_events: int = 60_000
    rate: int = 500
    seconds: float = 20.0
    busy_rate: int = 2_000
    struggles_a_second: int = 50
    attempts: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    turn_events: int = 60_000
    snapshot_attempts: int = 1_100_000
    snapshot_events: int = 1_500_000
    snapshot_repeats: int = 2
    recovery_attempts: int = 100_000
    recovery_kills: int = 20
    recovery_customers: int = 1_000_000
    transactions_an_hour: float = 400.0
    simulated_visits: int = 8_000
    push_desks: int = 5_000
    push_rate: int = 1_000
    push_seconds: float = 10.0
    push_resets: int = 1_000
    member_attempts: int = 100_000
    peer_events: int = 1_000_000
    peer_repeats: int = 3


FULL: Final = Scale()
QUICK: Final = Scale(
    repeats=3,
    simulated_events=100_000,
    stock_events=10_000,
    seconds=6.0,
    attempts=(10_000, 100_000),
    turn_events=20_000,
    snapshot_attempts=55_000,
    snapshot_events=300_000,
    snapshot_repeats=1,
    recovery_attempts=20_000,
    recovery_kills=5,
    recovery_customers=100_000,
    transactions_an_hour=60.0,
    simulated_visits=4_000,
    push_desks=1_000,
    push_seconds=5.0,
    push_resets=200,
    member_attempts=20_000,
    peer_events=100_000,
    peer_repeats=1,
)
