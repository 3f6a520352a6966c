"""What holds for any order of facts, contacts and feedback."""

from bisect import bisect_right
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from operators.hints.arbitration import Arbitration, ArbitrationInput, Contact, HintFeedback, Verdict
from operators.hints.hint import HeldBack, Hint, Retirement, Speak
from operators.records.catalogue import Caps, Catalogue, ControlGroup, Hints, QuietHours
from operators.records.facts import RankedReason
from operators.support.timestamps import duration_ms
from tests.operators.samples import catalogue, fact

START_MS = 1_772_337_600_000
CUSTOMERS = ("u1", "u2", "u3")
ATTEMPTS = ("a1", "a2", "a3", "a4")
REASONS = ("face_check", "sms_code", "unknown")

customers = st.sampled_from(CUSTOMERS)
facts = st.builds(
    lambda kind, customer, attempt, at_ms, journey, code: fact(
        kind, customer, customer + attempt, at_ms, journey=journey, reasons=(RankedReason(code, 0.8),)
    ),
    st.sampled_from(["abandoned"] * 6 + ["returned", "completed", "cancelled", "expired", "idle"]),
    customers,
    st.sampled_from(ATTEMPTS),
    st.integers(0, 20),
    st.sampled_from(["policy_loan", "claim"]),
    st.sampled_from(REASONS),
)
contacts = st.builds(
    lambda customer, started, at_ms: Contact(customer, started, START_MS + at_ms, "phone"),
    customers,
    st.booleans(),
    st.integers(0, 7_200_000),
)
feedback = st.builds(
    lambda customer, attempt, at_ms, state: HintFeedback(
        _hint_id(customer + attempt, at_ms), customer, state, None, START_MS
    ),
    customers,
    st.sampled_from(ATTEMPTS),
    st.integers(0, 20),
    st.sampled_from(["shown", "used", "dismissed"]),
)
waits_ms = st.one_of(st.just(0), st.integers(0, 60_000), st.integers(0, 8 * 3_600_000))
histories = st.lists(
    st.tuples(waits_ms, st.lists(st.one_of(facts, facts, facts, contacts, feedback), max_size=5)), max_size=25
)
catalogues = st.builds(
    lambda cap, window, lifetime, share, quiet, surfaces: catalogue(
        caps=Caps(cap, window),
        hints=Hints(surfaces=surfaces, lifetime=lifetime),
        control_group=ControlGroup(share=share),
        quiet_hours=quiet,
    ),
    st.integers(1, 3),
    st.sampled_from(["1m", "1h", "24h"]),
    st.sampled_from(["30s", "2h", "24h", "7d"]),
    st.sampled_from([0.0, 0.0, 0.5]),
    st.sampled_from(
        [
            None,
            QuietHours("Asia/Shanghai", "21:00", "08:00"),
            QuietHours("Asia/Shanghai", "12:00", "14:00", "drop"),
        ]
    ),
    st.sampled_from([("desk", "chatbot"), ("desk",)]),
)
History = list[tuple[int, list[ArbitrationInput]]]


def _hint_id(attempt_id: str, at_ms: int) -> str:
    hint = next(iter(Arbitration(catalogue()).decide([fact(attempt=attempt_id, at_ms=at_ms)], START_MS)))
    assert isinstance(hint, Hint)
    return hint.hint_id


def run(arbitration: Arbitration, history: History, now_ms: int = START_MS) -> tuple[list[Verdict], int]:
    """All verdicts, as the engine asks for them, and the time at the end."""
    verdicts: list[Verdict] = []
    for wait_ms, inputs in history:
        now_ms += wait_ms
        verdicts += arbitration.due(now_ms)
        verdicts += arbitration.decide(inputs, now_ms)
    return verdicts, now_ms


@settings(deadline=None)
@given(catalogues, histories)
def test_every_abandonment_is_a_hint_or_held_back(rules: Catalogue, history: History) -> None:
    arbitration, now_ms = Arbitration(rules), START_MS
    for wait_ms, inputs in history:
        now_ms += wait_ms
        for each in inputs:
            verdicts = arbitration.decide([each], now_ms)
            hints = [v for v in verdicts if isinstance(v, Hint)]
            held = [v for v in verdicts if isinstance(v, HeldBack) and v.why_not != "quiet_hours"]
            unspoken = [v for v in verdicts if isinstance(v, HeldBack) and v.why_not == "quiet_hours"]
            is_abandoned = getattr(each, "kind", None) == "abandoned"
            assert len(hints) + len(held) == is_abandoned
            assert len(unspoken) <= len(hints)


@settings(deadline=None)
@given(catalogues, histories)
def test_the_cap_holds_in_every_window(rules: Catalogue, history: History) -> None:
    verdicts, _ = run(Arbitration(rules), history)
    window_ms = duration_ms(rules.caps.window)
    told_ms = defaultdict[str, list[int]](list)
    for each in verdicts:
        if isinstance(each, Hint):
            told_ms[each.customer_id].append(each.created_at_ms)
    for times_ms in told_ms.values():
        for index, first_ms in enumerate(times_ms):
            assert bisect_right(times_ms, first_ms + window_ms - 1) - index <= rules.caps.hints


@settings(deadline=None)
@given(catalogues, histories)
def test_a_hint_is_retired_or_spoken_of_at_most_once_and_only_after_it_was_told(
    rules: Catalogue, history: History
) -> None:
    arbitration = Arbitration(rules)
    verdicts, now_ms = run(arbitration, history)
    while arbitration.next_due_ms is not None:
        now_ms = max(now_ms, arbitration.next_due_ms)
        verdicts += arbitration.due(now_ms)
    told, ended = Counter[str](), Counter[str]()
    spoken = Counter[str]()
    for each in verdicts:
        if isinstance(each, Hint):
            told[each.hint_id] += 1
        elif isinstance(each, Retirement):
            ended[each.hint_id] += 1
            assert ended[each.hint_id] <= told[each.hint_id]
        elif isinstance(each, Speak):
            spoken[each.hint_id] += 1
            assert spoken[each.hint_id] <= told[each.hint_id] - ended[each.hint_id]
    assert len(arbitration) == 0


@settings(deadline=None)
@given(catalogues, histories, st.integers(0, 25))
def test_stored_and_taken_up_again_it_says_the_same(rules: Catalogue, history: History, stored_after: int) -> None:
    whole, before = Arbitration(rules), Arbitration(rules, keeps_changes=True)
    said, _ = run(whole, history)
    first, now_ms = run(before, history[: stored_after // 2])
    packs = [before.changes()[1]]
    more, now_ms = run(before, history[stored_after // 2 : stored_after], now_ms)
    after = Arbitration(rules)
    after.restore(before.head(), [*packs, before.changes()[1]])
    second, _ = run(after, history[stored_after:], now_ms)
    first += more
    assert first + second == said
    assert after.next_due_ms is None or whole.next_due_ms is not None
