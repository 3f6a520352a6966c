"""The wordings of one journey's hints: chosen as they are made, learnt from as their attempts end.

In: hints, and the facts that end attempts. Out: each hint in its wording (with what was chosen and how probable it
was), and a reward for each hint of an attempt that has ended. Refused: saved state of another format
(``StateUnreadable``).

A hint whose reason has no variants stays as it is. What never ends is forgotten eight days after the newest hint:
memory follows the hints of that time.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from operators.hints.hint import Hint, Wording, WordingReward
from operators.hints.off_policy_value import arm_of, drawn
from operators.reasons.phrasing import say
from operators.records.catalogue import Catalogue, Words
from operators.records.facts import Fact
from operators.support.snapshot_codec import ALL, SnapshotCodec, pop_up_to

if TYPE_CHECKING:
    from operators.hints.thompson_sampling import WordingPolicy

FORMAT: Final = "zhiyin-wording-1"
FORGOTTEN_AFTER_MS: Final = 8 * 86_400_000
ENDS: Final = frozenset(("completed", "cancelled", "expired"))
ARM: Final = "arm"
ATTEMPT: Final = "attempt"
MOST_OVERTAKING: Final = 1_000
"""Ends held for hints that are still on their way; they are not part of what is stored."""

_SEPARATOR: Final = "\0"


class ChosenWording(msgspec.Struct, array_like=True, gc=False):
    """What was chosen for one hint."""

    hint_id: str
    reason: str
    arm: str
    variant: int
    propensity: float
    published_at_ms: int


class WordingRow(msgspec.Struct, array_like=True, gc=False):
    """One posterior (``kind`` arm, ``name`` reason), or the choices for one attempt (none: forgotten)."""

    kind: str
    name: str
    arm: str = ""
    alpha: int = 1
    beta: int = 1
    chosen: list[ChosenWording] = []


class WordingHead(msgspec.Struct, array_like=True, gc=False):
    """The stored memory's format."""

    format: str


_HEAD: Final = SnapshotCodec(WordingHead, FORMAT)
_ROWS: Final = SnapshotCodec(WordingRow, FORMAT)


class WordingSelection:
    """One journey's wordings. ``keeps_changes``: whether what changes is noted for ``changes``."""

    def __init__(self, catalogue: Catalogue, *, keeps_changes: bool = False) -> None:
        self._wordings = {
            code: [(arm_of(words), words) for words in (reason.say, *reason.variants)]
            for code, reason in catalogue.reasons.items()
            if reason.variants
        }
        self._policies: dict[str, WordingPolicy] = {}
        self._chosen: dict[str, list[ChosenWording]] = {}
        self._overtaking: dict[str, Fact] = {}
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()

    def __len__(self) -> int:
        return len(self._chosen)

    def worded(self, hint: Hint) -> Hint:
        """The hint in the wording chosen for it."""
        wordings = self._wordings.get(hint.reason.code)
        if wordings is None:
            return hint
        choice = self._policy(hint.reason.code).choose([arm for arm, _ in wordings], drawn(hint.hint_id))
        variant = next(index for index, (arm, _) in enumerate(wordings) if arm == choice.arm)
        self._note(
            hint,
            ChosenWording(hint.hint_id, hint.reason.code, choice.arm, variant, choice.propensity, hint.created_at_ms),
        )
        text: Words = say(wordings[variant][1], hint.journey_title, hint.step_title)
        return msgspec.structs.replace(hint, text=text, wording=Wording(variant, choice.propensity))

    def ended(self, fact: Fact) -> list[WordingReward]:
        """What the hints of an attempt that has ended were worth; their wordings are learnt from."""
        if fact.kind not in ENDS:
            return []
        if fact.attempt_id not in self._chosen:
            self._hold(fact)
            return []
        chosen = self._chosen.pop(fact.attempt_id)
        self._has_changed(ATTEMPT, fact.attempt_id)
        finished = fact.kind == "completed"
        for choice in chosen:
            self._policy(choice.reason).learn(choice.arm, finished)
            self._has_changed(ARM, choice.reason, choice.arm)
        return [_reward(choice, fact, finished) for choice in chosen]

    def ended_before(self, hint: Hint) -> list[WordingReward]:
        """What a hint just worded was worth, where the end of its attempt has overtaken it on the way here."""
        fact = self._overtaking.pop(hint.attempt_id, None)
        return [] if fact is None else self.ended(fact)

    def head(self) -> bytes:
        """Nothing beside the rows but the format's name."""
        return msgspec.msgpack.encode(WordingHead(FORMAT))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many rows have changed since the last call, about ``most`` of them, and they packed."""
        changed = pop_up_to(self._changed, most)
        return len(changed), msgspec.msgpack.encode([self._row(key) for key in changed])

    def all_keys(self) -> list[str]:
        """All that is remembered now."""
        arms = [_key(ARM, reason, arm) for reason, policy in self._policies.items() for arm in policy.arms]
        return [*arms, *(_key(ATTEMPT, attempt_id, "") for attempt_id in self._chosen)]

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        known = set(self.all_keys())
        return msgspec.msgpack.encode([self._row(key) for key in keys if key in known])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        _HEAD.decode(head)
        for row in _ROWS.decode_rows(packed):
            if row.kind == ARM:
                self._policy(row.name).recall(row.arm, row.alpha, row.beta)
            elif row.chosen:
                self._chosen[row.name] = row.chosen
            else:
                self._chosen.pop(row.name, None)

    def _policy(self, reason: str) -> "WordingPolicy":
        policy = self._policies.get(reason)
        if policy is None:
            from operators.hints.thompson_sampling import WordingPolicy

            policy = self._policies[reason] = WordingPolicy()
        return policy

    def _note(self, hint: Hint, chosen: ChosenWording) -> None:
        self._chosen.setdefault(hint.attempt_id, []).append(chosen)
        self._has_changed(ATTEMPT, hint.attempt_id)
        self._forget_before(hint.created_at_ms - FORGOTTEN_AFTER_MS)

    def _forget_before(self, at_ms: int) -> None:
        while self._chosen:
            attempt_id, oldest = next(iter(self._chosen.items()))
            if oldest[-1].published_at_ms >= at_ms:
                return
            del self._chosen[attempt_id]
            self._has_changed(ATTEMPT, attempt_id)

    def _hold(self, fact: Fact) -> None:
        """An end without a hint: after an outage both come at once, and the end has the shorter way."""
        if fact.recovered:
            self._overtaking[fact.attempt_id] = fact
            while len(self._overtaking) > MOST_OVERTAKING:
                del self._overtaking[next(iter(self._overtaking))]

    def _has_changed(self, kind: str, name: str, arm: str = "") -> None:
        if self._keeps_changes:
            self._changed.add(_key(kind, name, arm))

    def _row(self, key: str) -> WordingRow:
        kind, name, arm = key.split(_SEPARATOR)
        if kind == ATTEMPT:
            return WordingRow(kind, name, chosen=self._chosen.get(name, []))
        return WordingRow(kind, name, arm, *self._policy(name).posterior(arm))


def _key(kind: str, name: str, arm: str) -> str:
    return _SEPARATOR.join((kind, name, arm))


def _reward(chosen: ChosenWording, fact: Fact, finished: bool) -> WordingReward:
    return WordingReward(
        hint_id=chosen.hint_id,
        customer_id=fact.customer_id,
        journey=fact.journey,
        reason=chosen.reason,
        variant=chosen.variant,
        propensity=chosen.propensity,
        reward=float(finished),
        at_ms=fact.at_ms,
    )
