"""The step of hot questions: what is asked and rated becomes each group's list, published at most once a second.

In: the outputs of the bundles' decision. Out: lists of hot questions, in Redis. Refused: nothing; others pass by.
The step is keyed by a fixed number of buckets of groups, so that groups may be named by anybody.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import bytewax.operators as op
import msgspec
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.sinks.list_sink import ListSink
from flows.steps.journaled_state import JournaledState, Journals
from operators.contacts.bundle import ContactOutput
from operators.contacts.hot_questions import AnswerRated, HotList, HotQuestions, QuestionAsked
from operators.records.catalogue import Catalogue
from state.contacts.questions import RedisQuestionWriter
from state.redis.retry import Retry

BUCKETS: Final = 8


class QuestionInputs(msgspec.Struct, gc=False):
    """What a batch has for one bucket: groups, each with what was asked or rated."""

    bucket: str
    inputs: list[tuple[str, QuestionAsked | AnswerRated]]


class QuestionsLogic(StatefulBatchLogic[QuestionInputs, list[HotList], bytes]):
    """One bucket of groups. ``clock``: now in ms."""

    def __init__(self, questions: HotQuestions, clock: Callable[[], int], state: JournaledState) -> None:
        self._questions = questions
        self._clock = clock
        self._state = state

    def on_batch(self, values: list[QuestionInputs]) -> tuple[Iterable[list[HotList]], bool]:
        """Counts in the order of arrival."""
        self._state.open(f"questions-{values[0].bucket}")
        now_ms = self._clock()
        for batch in values:
            for group, event in batch.inputs:
                self._questions.learn(group, event, now_ms)
        self._state.write_ahead()
        return self._outputs()

    def on_notify(self) -> tuple[Iterable[list[HotList]], bool]:
        """The time has come that ``notify_at`` named."""
        return self._outputs()

    def notify_at(self) -> datetime | None:
        """When lists are to be published."""
        due_ms = self._questions.next_due_ms
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The position in the bucket's journal."""
        return self._state.snapshot()

    def _outputs(self) -> tuple[Iterable[list[HotList]], bool]:
        lists = self._questions.due(self._clock())
        return [lists] if lists else (), StatefulBatchLogic.RETAIN


def hot_questions(
    contact_outputs: KeyedStream[list[ContactOutput]],
    catalogue: Catalogue,
    half_life_ms: float,
    clock: Callable[[], int] | None,
    journals: Journals | None,
) -> KeyedStream[list[HotList]]:
    """What is asked and rated becomes lists, by bucket of groups."""

    def learn(resumed: bytes | None) -> QuestionsLogic:
        questions = HotQuestions(catalogue, half_life_ms, keeps_changes=journals is not None)
        return QuestionsLogic(questions, clock or _now_ms, JournaledState(questions, journals, resumed))

    return op.stateful_batch("questions", op.flat_map("asked", contact_outputs, _by_bucket), learn)


def question_sink(new_writer: Callable[[], RedisQuestionWriter], retry: Retry) -> ListSink[HotList]:
    """Hot questions in Redis, whatever the bus is. ``new_writer()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[HotList]], None]:
        writer = new_writer()

        def write(lists: Sequence[HotList]) -> None:
            retry(lambda: writer.write(lists))

        return write

    return ListSink(open_writer)


def _by_bucket(keyed: tuple[str, list[ContactOutput]]) -> Iterable[tuple[str, QuestionInputs]]:
    buckets: dict[str, QuestionInputs] = {}
    for output in keyed[1]:
        if isinstance(output, QuestionAsked | AnswerRated):
            for group in output.groups:
                bucket = f"{zlib.crc32(group.encode()) % BUCKETS}"
                buckets.setdefault(bucket, QuestionInputs(bucket, [])).inputs.append((group, output))
    return buckets.items()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
