"""The harness itself: its plans follow from the seed, and it would notice what it looks for."""

from collections.abc import Sequence
from typing import Any

import pytest
import redis

from operators.support.timestamps import iso_text
from state.redis import keys
from tests.chaos.__main__ import main
from tests.chaos.customers import acts
from tests.chaos.desk import may_be_unannounced
from tests.chaos.strikes import strikes
from tests.chaos.tap import RedisTap, Seen, commands_in
from tests.chaos.verdict import bus_faults, due_facts, due_words, judged, told_words
from tests.parts.redis_server import RedisServer
from tests.streams import BEGIN_MS, wire


def test_a_seed_gives_the_same_customers_and_the_same_kills() -> None:
    first, again, other = (acts(seed, 5) for seed in "aab")
    some = [[next(stream) for _ in range(200)] for stream in (first, again, other)]
    assert some[0] == some[1] != some[2]
    assert strikes("a", 50, "redis") == strikes("a", 50, "redis") != strikes("b", 50, "redis")
    assert {strike.victim for strike in strikes("a", 50, "kafka")} == {"engine", "gateway", "redis", "kafka"}


def seen(customer: str, number: int, at_s: float, name: str = "Transaction Step Viewed", came_ms: int = 5) -> Seen:
    at_ms = BEGIN_MS + round(at_s * 1000)
    event = {
        "customer": customer,
        "id": f"{customer}-{number}",
        "name": name,
        "at_ms": at_ms,
        "journey": "loan",
        "transaction_id": "t",
        "step": "apply",
    }
    return Seen(customer, at_ms, at_ms + came_ms, wire(event))


EVENTS = [
    seen("anna", 1, 0),
    seen("anna", 2, 5),
    seen("anna", 3, 6, "Transaction Completed"),
    seen("bo", 1, 1),
    seen("bo", 1, 1),
]


def test_what_is_due() -> None:
    due = due_words(due_facts(EVENTS))
    assert sorted((word.by, *word.about[:2]) for word in due) == [
        ("chatbot", "bo", "loan"),
        ("desk created", "anna", "loan"),
        ("desk created", "bo", "loan"),
        ("desk retired", "anna", "loan"),
        ("fact", "abandoned", "anna"),
        ("fact", "abandoned", "bo"),
        ("fact", "completed", "anna"),
        ("fact", "returned", "anna"),
        ("fact", "started", "anna"),
        ("fact", "started", "bo"),
        ("stream created", "anna", "loan"),
        ("stream created", "bo", "loan"),
        ("stream retired", "anna", "loan"),
    ]


def hint(customer: str, at: str, hint_id: str) -> dict[str, Any]:
    about = {"customer_id": customer, "journey": "loan", "transaction_id": "t", "step": "apply", "abandoned_at": at}
    return {"type": "zhiyin.hint.created", "data": {"hint_id": hint_id, **about}}


def test_missing_extra_and_twice_are_told_apart() -> None:
    due = [word for word in due_words(due_facts(EVENTS)) if word.by == "desk created"]
    anna, zoe = hint("anna", "2023-11-14T22:13:22.000Z", "h1"), hint("zoe", "2023-11-14T22:13:22.000Z", "h2")

    def nothing(_customer: str) -> Sequence[dict[str, Any]]:
        return ()

    verdict = judged(due, told_words([], [anna, anna, zoe], nothing, ["anna"]), [])
    assert [word.about[0] for word in verdict.missing] == ["bo"]
    assert [word.about[0] for word in verdict.extra] == ["zoe"]
    assert [word.about[0] for word in verdict.twice] == ["anna"]
    assert not verdict.is_good
    assert [line.partition(" (")[0] for line in verdict.lines()] == [
        "missing: desk created",
        "extra: desk created",
        "twice: desk created",
    ]


def test_a_hint_that_ended_while_the_desk_was_away_is_told_by_its_end() -> None:
    anna = hint("anna", "2023-11-14T22:13:22.000Z", "h1")
    end = {"type": "zhiyin.hint.retired", "data": {"hint_id": "h1"}, "time": "2023-11-14T22:13:25.000Z"}
    due = [word for word in due_words(due_facts(EVENTS[:3])) if word.by.startswith(("desk", "stream"))]
    assert not judged(due, told_words([anna, end], [end], lambda _: (), ["anna"]), []).is_good
    assert judged(due, told_words([anna, end], [end], lambda _: (), ["anna"], {"h1"}), []).is_good
    assert not judged(due, told_words([anna, end], [], lambda _: (), ["anna"], {"h1"}), []).is_good


@pytest.mark.parametrize(
    ("kind", "at_ms", "may_be"), [("retired", 0, True), ("retired", 501, False), ("used", 0, False)]
)
def test_only_an_end_before_the_desk_is_back_may_be_unannounced(kind: str, at_ms: int, *, may_be: bool) -> None:
    event = {"type": f"zhiyin.hint.{kind}", "time": iso_text(BEGIN_MS + at_ms), "data": {"hint_id": "h1"}}
    assert may_be_unannounced(event, BEGIN_MS) == may_be


def test_what_was_accepted_and_never_came_is_a_fault_and_so_is_a_machine_that_is_too_slow() -> None:
    assert bus_faults(EVENTS, ["anna-1", "bo-1"], 4_000) == []
    [lost] = bus_faults(EVENTS, ["anna-1", "cy-1"], 4_000)
    assert lost == "accepted and not on the bus: 1, such as ['cy-1']"
    [late] = bus_faults([*EVENTS, seen("di", 1, 3, came_ms=4_700)], [], 4_000)
    assert late == "1 events came up to 4700 ms late: this machine was too slow for this run"


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "kills N events E expected F missing 0 extra 0 twice 0" in capsys.readouterr().out


def test_kafka_that_is_not_to_be_had_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIYIN_TEST_KAFKA", "mock")
    with pytest.raises(SystemExit):
        main(["--bus", "kafka"])
    assert "--bus: found kafka, but ZHIYIN_TEST_KAFKA=mock asks for the mock" in capsys.readouterr().err


def test_a_number_that_is_none_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--kills", "many"])
    assert ended.value.code == 2
    assert "--kills: found 'many', expected a number of 1 or more" in capsys.readouterr().err


@pytest.mark.requires("redis")
def test_the_tap_sees_what_redis_has_let_go_and_no_half_of_a_command(redis_server: RedisServer) -> None:
    bus, other = keys.BUS.of(0), keys.BUS.of(7)
    with redis.Redis.from_url(redis_server.url) as client:
        for number, stream in enumerate((bus, other, bus)):
            client.xadd(stream, {"k": f"c{number}", "t": number, "e": b"\r\n$1"}, maxlen=9)
        client.delete(bus)
    tap = RedisTap(redis_server, partitions=1)
    assert [(each.customer, each.at_ms, each.raw) for each in tap.seen] == [("c0", 0, b"\r\n$1"), ("c2", 2, b"\r\n$1")]
    appended = redis_server.appended()
    whole = list(commands_in(appended))
    assert [len(list(commands_in(appended[:-cut]))) for cut in range(1, 5)] == [len(whole) - 1] * 4
