"""The step that compares: a journey's facts and hints in, nothing out; who watches receives what has been counted."""

from collections.abc import Callable, Iterable, Sequence

from bytewax.operators import StatefulBatchLogic

from flows.steps.journaled_state import JournaledState, Journals
from flows.steps.messages import shard_of
from operators.hints.arbitration import Verdict
from operators.hints.hint import Hint
from operators.hints.uplift import Uplift, UpliftCounts
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact, stable_id
from operators.support.timestamps import duration_ms

WatchUplift = Callable[[str, UpliftCounts], None]
"""Shown a journey's counts whenever they have changed, and when they are first known."""


class UpliftLogic(StatefulBatchLogic[Sequence[Fact | Hint], None, bytes]):
    """One journey's comparison."""

    def __init__(self, uplift: Uplift, watch: WatchUplift, state: JournaledState) -> None:
        self._uplift = uplift
        self._watch = watch
        self._state = state
        self._is_shown = False

    def on_batch(self, values: list[Sequence[Fact | Hint]]) -> tuple[Iterable[None], bool]:
        """Counts list by list."""
        journey = values[0][0].journey
        self._state.open(f"uplift-{stable_id(journey)}")
        changed = False
        for batch in values:
            changed |= self._uplift.learn(batch)
        self._state.write_ahead()
        if changed or not self._is_shown:
            self._is_shown = True
            self._watch(journey, self._uplift.counts)
        return (), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The position in the journal of the attempts that wait, and what has been counted."""
        return self._state.snapshot()


def hints_by_journey(verdicts: list[Verdict]) -> Iterable[tuple[str, list[Hint]]]:
    """The hints among ``verdicts``, a list a journey."""
    grouped: dict[str, list[Hint]] = {}
    for verdict in verdicts:
        if isinstance(verdict, Hint):
            grouped.setdefault(verdict.journey, []).append(verdict)
    return grouped.items()


def comparison(
    catalogue: Catalogue, shards: int, watch: WatchUplift, journals: Journals | None
) -> Callable[[bytes | None], UpliftLogic]:
    """What makes a journey's comparison, new or as it was when it was snapshotted."""
    timeout_ms = duration_ms(catalogue.label_timeout)

    def compare(resumed: bytes | None) -> UpliftLogic:
        keeps_changes = journals is not None
        uplift = Uplift(
            catalogue.control_group,
            timeout_ms,
            lambda customer_id: shard_of(customer_id, shards),
            keeps_changes=keeps_changes,
        )
        return UpliftLogic(uplift, watch, JournaledState(uplift, journals, resumed))

    return compare
