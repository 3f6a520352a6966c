"""Hot questions: what customers like this one got stuck on lately, and whether the answers helped.

In: break-offs as questions asked (``QuestionAsked``) and ratings of answers (``AnswerRated``), by group. Out:
``HotList``s: a group's questions, the hottest first. Refused: saved state of another format (``StateUnreadable``).

A question is a reason in a journey. Groups are everybody (``all``), those of one journey (``journey:NAME``), and those
whose trait ``group`` says so (``group:NAME``). Counts are halved every ``half_life_ms`` of event time (exponential
decay; Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay", 2009), so that counts made apart can be merged::

    score = asked * (solved + 1) / (solved + unsolved + 2)

An answer nobody has rated counts as one that helps every second customer (Laplace's rule of succession).
Of a group the 64 hottest questions are kept, of a bucket the 500 hottest groups.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from operators.reasons.phrasing import say
from operators.records.catalogue import UNKNOWN, Article, Catalogue, Words
from operators.support.snapshot_codec import ALL, SnapshotCodec, pop_up_to
from operators.support.timestamps import iso_text

FORMAT: Final = "zhiyin-questions-1"
EVERYBODY: Final = "all"
TOLD: Final = 5
"""So many questions a list holds: what a chat window shows at once."""
QUESTIONS_A_GROUP: Final = 64
GROUPS: Final = 500
COLD: Final = 0.01
"""A count below it is forgotten: one question seven half-lives ago."""
TELL_AFTER_MS: Final = 1_000


class QuestionAsked(msgspec.Struct, frozen=True):
    """A customer of these groups broke off for this reason."""

    groups: tuple[str, ...]
    question_id: str
    at_ms: int


class AnswerRated(msgspec.Struct, frozen=True):
    """A customer of these groups says whether the answer helped."""

    groups: tuple[str, ...]
    question_id: str
    solved: bool
    at_ms: int


class Heat(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Decayed counts of one question as of ``at_ms``."""

    asked: float
    solved: float
    unsolved: float
    at_ms: int

    @property
    def score(self) -> float:
        """How hot it is; the formula is the module's."""
        return self.asked * (self.solved + 1) / (self.solved + self.unsolved + 2)


class HotQuestion(msgspec.Struct, frozen=True):
    """One question with its answer. ``helped``: the share of those who rated it that it helped (None: nobody did)."""

    question_id: str
    journey: str
    reason: str
    title: Words
    text: Words
    article: Article
    score: float
    helped: float | None


class HotList(msgspec.Struct, frozen=True):
    """What a group asks, the hottest first."""

    group: str
    questions: tuple[HotQuestion, ...]
    at_ms: int


class GroupRow(msgspec.Struct, array_like=True, gc=False):
    """One group's counts, stored; without questions: it is forgotten."""

    group: str
    questions: dict[str, Heat] = {}


class QuestionsHead(msgspec.Struct, array_like=True, gc=False):
    """The stored memory's format."""

    format: str


def groups_of(journey: str, group: str | None) -> tuple[str, ...]:
    """The groups of a customer who asks in ``journey``."""
    own = () if group is None else (f"group:{group}",)
    return (EVERYBODY, f"journey:{journey}", *own)


def question_id(journey: str, reason: str) -> str:
    """The name of a question."""
    return f"{journey}.{reason}"


def merged(one: Heat, other: Heat, half_life_ms: float) -> Heat:
    """Both together, as of the later; the order does not matter."""
    at_ms = max(one.at_ms, other.at_ms)
    left, right = _share(one.at_ms, at_ms, half_life_ms), _share(other.at_ms, at_ms, half_life_ms)
    return Heat(
        one.asked * left + other.asked * right,
        one.solved * left + other.solved * right,
        one.unsolved * left + other.unsolved * right,
        at_ms,
    )


_HEAD: Final = SnapshotCodec(QuestionsHead, FORMAT)
_ROWS: Final = SnapshotCodec(GroupRow, FORMAT)


class HotQuestions:
    """The counts of one bucket of groups. ``keeps_changes``: whether what changes is noted for ``changes``."""

    def __init__(self, catalogue: Catalogue, half_life_ms: float, *, keeps_changes: bool = False) -> None:
        self._catalogue = catalogue
        self._half_life_ms = half_life_ms
        self._groups: dict[str, dict[str, Heat]] = {}
        self._unsent: set[str] = set()
        self._due_at_ms: int | None = None
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def next_due_ms(self) -> int | None:
        """When the lists that have changed are to be sent."""
        return self._due_at_ms

    def learn(self, group: str, item: QuestionAsked | AnswerRated, now_ms: int) -> None:
        """Counts one question or rating for one group."""
        solved = isinstance(item, AnswerRated) and item.solved
        unsolved = isinstance(item, AnswerRated) and not item.solved
        heat = Heat(float(isinstance(item, QuestionAsked)), float(solved), float(unsolved), item.at_ms)
        questions = self._groups.setdefault(group, {})
        known = questions.get(item.question_id)
        questions[item.question_id] = heat if known is None else merged(known, heat, self._half_life_ms)
        if len(questions) > QUESTIONS_A_GROUP:
            del questions[min(questions, key=lambda name: (self._now(questions[name], now_ms).asked, name))]
        self._keep_hottest(now_ms)
        self._unsent.add(group)
        self._changed |= {group} if self._keeps_changes else set()
        if self._due_at_ms is None:
            self._due_at_ms = now_ms + TELL_AFTER_MS

    def due(self, now_ms: int) -> list[HotList]:
        """The lists that have changed, at most once a second."""
        if self._due_at_ms is None or now_ms < self._due_at_ms:
            return []
        unsent, self._unsent, self._due_at_ms = sorted(self._unsent), set(), None
        return [self.hot_list(group, now_ms) for group in unsent if group in self._groups]

    def hot_list(self, group: str, now_ms: int) -> HotList:
        """What a group asks, the hottest first; questions that the catalogue no longer has are left out."""
        warm = [(name, self._now(heat, now_ms)) for name, heat in self._groups.get(group, {}).items()]
        warm = [(name, heat) for name, heat in warm if heat.asked >= COLD]
        warm.sort(key=lambda item: (-item[1].score, item[0]))
        questions = (self._question(name, heat) for name, heat in warm)
        return HotList(group, tuple(question for question in questions if question is not None)[:TOLD], now_ms)

    def head(self) -> bytes:
        """Nothing beside the groups but the format's name."""
        return msgspec.msgpack.encode(QuestionsHead(FORMAT))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many groups have changed since the last call, and they packed; an empty row is forgotten."""
        changed = pop_up_to(self._changed, most)
        rows = [GroupRow(group, self._groups.get(group, {})) for group in changed]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """All groups remembered now."""
        return list(self._groups)

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        return msgspec.msgpack.encode([GroupRow(key, self._groups[key]) for key in keys if key in self._groups])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        _HEAD.decode(head)
        for row in _ROWS.decode_rows(packed):
            if row.questions:
                self._groups[row.group] = row.questions
            else:
                self._groups.pop(row.group, None)

    def _now(self, heat: Heat, now_ms: int) -> Heat:
        return merged(heat, Heat(0.0, 0.0, 0.0, now_ms), self._half_life_ms)

    def _keep_hottest(self, now_ms: int) -> None:
        """Forgets the coldest group when there are too many."""
        if len(self._groups) <= GROUPS:
            return
        heats = {name: self._hottest(questions, now_ms) for name, questions in self._groups.items()}
        coldest = min(heats, key=lambda name: (heats[name], name))
        del self._groups[coldest]
        self._changed |= {coldest} if self._keeps_changes else set()

    def _hottest(self, questions: dict[str, Heat], now_ms: int) -> float:
        return max(self._now(heat, now_ms).asked for heat in questions.values())

    def _question(self, name: str, heat: Heat) -> HotQuestion | None:
        journey_name, _, reason_name = name.rpartition(".")
        journey, reason = self._catalogue.journeys.get(journey_name), self._catalogue.reasons.get(reason_name)
        if journey is None or reason is None or reason_name == UNKNOWN:
            return None
        rated = heat.solved + heat.unsolved
        return HotQuestion(
            question_id=name,
            journey=journey_name,
            reason=reason_name,
            title=Words(f"{journey.title.zh}：{reason.title.zh}", f"{journey.title.en}: {reason.title.en}"),
            text=say(reason.say, journey.title, None),
            article=reason.article,
            score=round(heat.score, 4),
            helped=round(heat.solved / rated, 2) if rated >= COLD else None,
        )


def hot_document(hot_list: HotList) -> dict[str, Any]:
    """The list as chatbots and the API see it."""
    document: dict[str, Any] = msgspec.to_builtins(hot_list)
    document["at"] = iso_text(document.pop("at_ms"))
    return document


def _share(at_ms: int, now_ms: int, half_life_ms: float) -> float:
    """What is left of a count made at ``at_ms``."""
    return float(0.5 ** ((now_ms - at_ms) / half_life_ms))
