"""The step of hot questions: what is asked and rated becomes each group's list, told at most once a second.

In: the words of the bundles' decision. Out: lists of hot questions, in Redis. Refused: nothing; other words pass by.
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
    given: list[tuple[str, QuestionAsked | AnswerRated]]


class QuestionsLogic(StatefulBatchLogic[QuestionInputs, list[HotList], bytes]):
    """One bucket of groups. ``clock``: now in ms."""

    def __init__(self, questions: HotQuestions, clock: Callable[[], int], remembering: JournaledState) -> None:
        self._questions = questions
        self._clock = clock
        self._remembering = remembering

    def on_batch(self, values: list[QuestionInputs]) -> tuple[Iterable[list[HotList]], bool]:
        """Counts in the order of arrival."""
        self._remembering.open(f"questions-{values[0].bucket}")
        now_ms = self._clock()
        for each in values:
            for group, given in each.given:
                self._questions.learn(group, given, now_ms)
        self._remembering.write_ahead()
        return self._told()

    def on_notify(self) -> tuple[Iterable[list[HotList]], bool]:
        """The time has come that ``notify_at`` named."""
        return self._told()

    def notify_at(self) -> datetime | None:
        """When lists are to be told."""
        due_ms = self._questions.next_due_ms
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The place in the bucket's journal."""
        return self._remembering.snapshot()

    def _told(self) -> tuple[Iterable[list[HotList]], bool]:
        lists = self._questions.due(self._clock())
        return [lists] if lists else (), StatefulBatchLogic.RETAIN


def hot_questions(
    told: KeyedStream[list[ContactOutput]],
    catalogue: Catalogue,
    half_life_ms: float,
    clock: Callable[[], int] | None,
    journals: Journals | None,
) -> KeyedStream[list[HotList]]:
    """What is asked and rated becomes lists, by bucket of groups."""

    def learn(resumed: bytes | None) -> QuestionsLogic:
        questions = HotQuestions(catalogue, half_life_ms, keeps_changes=journals is not None)
        return QuestionsLogic(questions, clock or _now_ms, JournaledState(questions, journals, resumed))

    return op.stateful_batch("questions", op.flat_map("asked", told, _by_bucket), learn)


def question_sink(store: Callable[[], RedisQuestionWriter], retry: Retry) -> ListSink[HotList]:
    """Hot questions in Redis, whatever the bus is. ``store()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[HotList]], None]:
        opened = store()

        def write(lists: Sequence[HotList]) -> None:
            retry(lambda: opened.write(lists))

        return write

    return ListSink(open_writer)


def _by_bucket(keyed: tuple[str, list[ContactOutput]]) -> Iterable[tuple[str, QuestionInputs]]:
    buckets: dict[str, QuestionInputs] = {}
    for word in keyed[1]:
        if isinstance(word, QuestionAsked | AnswerRated):
            for group in word.groups:
                bucket = f"{zlib.crc32(group.encode()) % BUCKETS}"
                buckets.setdefault(bucket, QuestionInputs(bucket, [])).given.append((group, word))
    return buckets.items()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
