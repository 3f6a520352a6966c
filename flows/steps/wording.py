"""The step that words hints: a journey's verdicts and the facts that end its attempts in; the verdicts, worded, out.

All verdicts of a journey pass here in their order, so that a hint is never published after its retirement.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import bytewax.operators as op
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.steps.journaled_state import JournaledState, Journals
from operators.hints.arbitration import Verdict
from operators.hints.hint import Hint
from operators.hints.wording_selection import ENDS, WordingSelection
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact, stable_id


class WordingLogic(StatefulBatchLogic[Sequence[Verdict | Fact], list[Verdict], bytes]):
    """One journey's wordings: hints are worded as they pass; an end is learnt from."""

    def __init__(self, selection: WordingSelection, state: JournaledState) -> None:
        self._selection = selection
        self._state = state

    def on_batch(self, values: list[Sequence[Verdict | Fact]]) -> tuple[Iterable[list[Verdict]], bool]:
        """Words list by list."""
        self._state.open(f"wording-{stable_id(values[0][0].journey)}")
        worded = [[verdict for item in batch for verdict in self._verdicts(item)] for batch in values]
        self._state.write_ahead()
        return [verdicts for verdicts in worded if verdicts], StatefulBatchLogic.RETAIN

    def _verdicts(self, item: Verdict | Fact) -> Iterable[Verdict]:
        if isinstance(item, Fact):
            return self._selection.ended(item)
        if isinstance(item, Hint):
            return (self._selection.worded(item), *self._selection.ended_before(item))
        return (item,)

    def snapshot(self) -> bytes:
        """The position in the journal of what has been chosen and learnt."""
        return self._state.snapshot()


def worded(
    verdicts: KeyedStream[list[Verdict]],
    decided: KeyedStream[list[Fact]],
    catalogue: Catalogue,
    journals: Journals | None,
) -> KeyedStream[list[Verdict]]:
    """The verdicts by journey, their hints in the wordings that get customers to finish."""

    def wording(resumed: bytes | None) -> WordingLogic:
        selection = WordingSelection(catalogue, keeps_changes=journals is not None)
        return WordingLogic(selection, JournaledState(selection, journals, resumed))

    by_journey = op.flat_map("verdicts_by_journey", verdicts, _by_journey)
    ends = op.flat_map("ends_by_journey", decided, _ends)
    inputs: KeyedStream[Any] = op.merge("wordings_and_ends", by_journey, ends)
    return op.stateful_batch("wording", inputs, wording)


def _by_journey(keyed: tuple[str, list[Verdict]]) -> Iterable[tuple[str, list[Verdict]]]:
    grouped: dict[str, list[Verdict]] = {}
    for verdict in keyed[1]:
        grouped.setdefault(verdict.journey, []).append(verdict)
    return grouped.items()


def _ends(keyed: tuple[str, list[Fact]]) -> Iterable[tuple[str, list[Fact]]]:
    ends = [fact for fact in keyed[1] if fact.kind in ENDS]
    return ((keyed[0], ends),) if ends else ()
