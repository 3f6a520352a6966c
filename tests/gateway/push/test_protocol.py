"""The conversation without a socket: every rule of ``zhiyin.desk.v1`` by frames and times alone."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.tokens import issue_token, read_token
from gateway.push.frames import REASON_BYTES, FrameError, close_reason, next_frame, next_head, read_frame
from gateway.push.protocol import (
    BeginSubscription,
    Close,
    EndSubscription,
    ReportState,
    Send,
    Session,
    SessionAction,
    SessionClock,
)
from gateway.services.hint_feedback import NO_OPINION, Opinion

SECRET = "a secret of at least thirty-two bytes"
WALL_S = 1_700_000_000
PING_S = 25.0


def at(seconds: float) -> SessionClock:
    return SessionClock(100.0 + seconds, WALL_S * 1000 + int(seconds * 1000))


def new_session() -> Session:
    return Session(partial(read_token, SECRET), PING_S, at(0))


def text(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


def init_text(role: str = "agent", subject: str = "desk-1", lifetime_s: int = 3600) -> str:
    return text("connection_init", token=issue_token(SECRET, subject, role, lifetime_s, WALL_S))


def known_session(role: str = "agent") -> Session:
    session = new_session()
    assert isinstance(session.receive(init_text(role), at(1)), Send)
    return session


def sent(step: SessionAction | None) -> dict[str, Any]:
    assert isinstance(step, Send)
    frame: dict[str, Any] = json.loads(step.frame)
    assert frame["type"] == step.kind
    return frame


def closed(step: SessionAction | None) -> Close:
    assert isinstance(step, Close)
    return step


def test_a_good_token_is_acknowledged_with_who_it_is() -> None:
    frame = sent(new_session().receive(init_text(), at(1)))
    assert frame == {
        "type": "connection_ack",
        "subject": "desk-1",
        "role": "agent",
        "expires_at": "2023-11-14T23:13:20.000Z",
        "ping_interval_s": 25.0,
    }


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        (text("connection_init", token="nonsense"), 4401, "not a JSON Web Token"),
        (init_text(lifetime_s=-5), 4401, "token expired 6 s ago"),
        (init_text(role="auditor"), 4403, "role 'auditor': expected agent or chatbot"),
        (text("subscribe", id="1", channel="desk"), 4401, "say connection_init with a token first"),
        (text("ack", hint_id="h", state="used"), 4401, "say connection_init"),
        (text("complete", id="1"), 4401, "say connection_init"),
        ("not json", 4400, "malformed"),
        ("", 4400, "truncated"),
        ("[]", 4400, "Expected `object`, got `array`"),
        ("{}", 4400, "missing required field `type`"),
        (text("hello"), 4400, "Invalid value 'hello' - at `$.type`"),
        (text("connection_init"), 4400, "missing required field `token`"),
        (text("connection_init", token=5), 4400, "Expected `str`, got `int` - at `$.token`"),
        ('{"type":"connection_init","token":"\\ud800\\u0041"}', 4400, "surrogate"),
        ("[" * 5000, 4400, ""),
        ('{"type":"ping","x":' + "[" * 5000, 4400, "nested too deeply"),
        (b"{}", 4400, "binary frame: expected text"),
    ],
)
def test_what_a_stranger_may_not_say(frame: str | bytes, code: int, words: str) -> None:
    step = closed(new_session().receive(frame, at(1)))
    assert step.code == code
    assert words in step.reason


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (text("subscribe", channel="desk"), "missing required field `id`"),
        (text("subscribe", id="", channel="desk"), "length >= 1 - at `$.id`"),
        (text("subscribe", id="x" * 65, channel="desk"), "length <= 64 - at `$.id`"),
        (text("subscribe", id="1", channel="desk", epoch="e"), "epoch and offset come together"),
        (text("subscribe", id="1", channel="desk", offset=5), "epoch and offset come together"),
        (text("subscribe", id="1", channel="desk", epoch="e", offset=-1), ">= 0 - at `$.offset`"),
        (text("subscribe", id="1", channel="desk", epoch="e", offset="5"), "Expected `int | null`, got `str`"),
        (text("ack", hint_id="h", state="retired"), "Invalid enum value 'retired' - at `$.state`"),
        (text("ack", hint_id="h", state="used", helpful="yes"), "Expected `bool | null`, got `str` - at `$.helpful`"),
    ],
)
def test_a_bad_frame_closes_with_the_field_at_fault(frame: str, words: str) -> None:
    step = closed(known_session().receive(frame, at(2)))
    assert step.code == 4400
    assert words in step.reason


def test_a_new_token_takes_the_place_of_one_that_runs_out() -> None:
    session = known_session()
    renewed = session.receive(init_text(lifetime_s=9_000), at(2))
    assert isinstance(renewed, Send)
    assert renewed.kind == "connection_ack"
    assert session.token is not None
    assert session.token.expires_s == WALL_S + 9_000


def test_a_new_token_of_somebody_else_closes() -> None:
    for token in (init_text(subject="desk-2"), init_text(role="chatbot")):
        step = closed(known_session().receive(token, at(2)))
        assert step == Close(4403, "a new token must be of the same subject and role")


def test_ping_is_answered_before_and_after_init() -> None:
    assert sent(new_session().receive(text("ping"), at(1))) == {"type": "pong"}
    assert sent(known_session().receive(text("ping"), at(2))) == {"type": "pong"}
    assert known_session().receive(text("pong"), at(2)) is None


def test_desk_is_the_tokens_own_desk() -> None:
    step = known_session().receive(text("subscribe", id="1", channel="desk"), at(2))
    assert step == BeginSubscription("1", "desk:desk-1", None, None)


def test_a_place_to_go_on_from_is_handed_on() -> None:
    step = known_session("chatbot").receive(text("subscribe", id="b", channel="chatbot", epoch="e", offset=7), at(2))
    assert step == BeginSubscription("b", "chatbot", "e", 7)


@pytest.mark.parametrize(
    ("role", "channel", "expected"),
    [
        ("agent", "chatbot", "'desk' or 'queue'"),
        ("agent", "desk:desk-2", "'desk' or 'queue'"),
        ("agent", "desk:desk-1", "'desk' or 'queue'"),
        ("chatbot", "desk", "'chatbot'"),
        ("chatbot", "x", "'chatbot'"),
    ],
)
def test_other_channels_are_an_error_and_the_id_stays_free(role: str, channel: str, expected: str) -> None:
    session = known_session(role)
    frame = sent(session.receive(text("subscribe", id="1", channel=channel), at(2)))
    assert (frame["id"], frame["code"], frame["temporary"]) == ("1", "forbidden", False)
    assert f"found {channel!r}, expected {expected} for a token with role {role}" in frame["message"]
    assert session.subscriptions == set()


def test_an_id_in_use_is_a_duplicate_until_it_has_ended() -> None:
    session = known_session()
    subscribe = text("subscribe", id="1", channel="desk")
    session.receive(subscribe, at(2))
    session.ended("1")
    assert isinstance(session.receive(subscribe, at(3)), BeginSubscription)
    assert closed(session.receive(subscribe, at(4))) == Close(4409, "subscription id '1' is in use")


def test_complete_ends_a_subscription_and_is_nothing_for_an_unknown_one() -> None:
    session = known_session()
    session.receive(text("subscribe", id="1", channel="desk"), at(2))
    assert session.receive(text("complete", id="1"), at(3)) == EndSubscription("1")
    assert session.receive(text("complete", id="2"), at(3)) is None


def test_too_many_subscriptions() -> None:
    session = known_session()
    for number in range(8):
        assert isinstance(session.receive(text("subscribe", id=str(number), channel="desk"), at(2)), BeginSubscription)
    step = closed(session.receive(text("subscribe", id="8", channel="desk"), at(2)))
    assert step == Close(4429, "too many subscriptions: at most 8")


def test_an_ack_is_a_report() -> None:
    session = known_session()
    assert session.receive(text("ack", hint_id="h1", state="shown"), at(2)) == ReportState("h1", "shown", NO_OPINION)
    step = session.receive(text("ack", hint_id="h1", state="used", helpful=False), at(2))
    assert step == ReportState("h1", "used", Opinion(helpful=False))


def test_frames_in_a_flood_are_too_many_and_a_steady_flow_is_not() -> None:
    flooding = known_session()
    steps = [flooding.receive(text("pong"), at(2)) for _ in range(300)]
    assert closed(next(step for step in steps if step is not None)).reason == "too many frames: at most 32 a second"
    assert steps.index(None) == 0
    assert steps.count(None) >= 255
    steady = known_session()
    assert {steady.receive(text("pong"), at(2 + number / 30)) for number in range(2000)} == {None}


def test_silence_before_init_ends_after_ten_seconds() -> None:
    session = new_session()
    session.receive(text("ping"), at(9))
    assert session.overdue(at(9.9)) is None
    assert session.overdue(at(10)) == Close(4408, "no connection_init within 10 s")


def test_a_token_that_expires_on_the_way_ends_the_connection() -> None:
    session = new_session()
    session.receive(init_text(lifetime_s=30), at(1))
    session.receive(text("pong"), at(29))
    assert session.overdue(at(29.5)) is None
    assert session.overdue(at(30)) == Close(4401, "token expired: ask for a new one")


def test_unanswered_pings_end_the_connection() -> None:
    session = known_session()
    assert session.overdue(at(51)) is None
    assert session.overdue(at(51.5)) == Close(4408, "nothing heard for 50 s: ping was not answered")


@given(st.text() | st.binary())
def test_no_text_breaks_the_session(noise: str | bytes) -> None:
    assert isinstance(known_session().receive(noise, at(2)), Close)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_KINDS = st.sampled_from(("connection_init", "ping", "pong", "subscribe", "ack", "complete", "next", "error", ""))
_FIELDS = st.dictionaries(
    st.sampled_from(("id", "channel", "epoch", "offset", "hint_id", "state", "helpful", "token")), _JSON
)


@given(st.lists(st.tuples(_KINDS, _FIELDS), max_size=6))
def test_no_frame_breaks_the_session_and_ids_are_never_doubled(frames: list[tuple[str, dict[str, object]]]) -> None:
    session = known_session()
    for kind, fields in frames:
        before = set(session.subscriptions)
        step = session.receive(json.dumps({"type": kind, **fields}), at(2))
        if isinstance(step, BeginSubscription):
            assert step.id not in before
        if isinstance(step, Close):
            break


def test_a_next_frame_holds_the_event_as_it_came() -> None:
    frame = next_frame(next_head('订"阅'), 7, b'{"a": 1}')
    assert json.loads(frame) == {"type": "next", "id": '订"阅', "offset": 7, "event": {"a": 1}}


@given(st.text(max_size=300))
def test_close_reasons_fit_a_close_frame(reason: str) -> None:
    assert len(close_reason(reason).encode()) <= REASON_BYTES


def test_long_reasons_are_cut_between_characters() -> None:
    assert close_reason("知" * 100) == "知" * 40 + "..."


def test_a_frame_error_says_what_is_wrong() -> None:
    with pytest.raises(FrameError, match="Expected `object`, got `int`") as caught:
        read_frame("5")
    assert caught.value.what == str(caught.value)
