"""``zhiyin dead-letters`` as a person types it, over a real Redis."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis

from operators.records.dead_letters import DeadLetter
from operators.records.events import Rejection
from state.dead_letters.writer import RedisDeadLetterWriter
from state.redis.connections import connect
from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.redis_server import free_port
from tests.zhiyin.up.house_up import clean_environment
from zhiyin.admin.dead_letter_text import age, printable
from zhiyin.cli.main import main

NOON_MS = 1_800_000_000_000
PARTITIONS = 4
STEP = Rejection("unknown_step", "$.properties.step", "'face_chek'", "one of apply, face_check")
JOURNEY = Rejection("unknown_journey", "$.properties.journey", "'lone'", "one of loan")
Typed = Callable[..., tuple[int, str, str]]


def letter(number: int, refusal: Rejection = STEP, customer: str = "mei") -> DeadLetter:
    raw = b'{"event":"Transaction Step Viewed","userId":"%b","messageId":"m%d"}' % (customer.encode(), number)
    return DeadLetter(raw, (refusal,), NOON_MS + number, customer, NOON_MS - number)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A bus of four empty partitions, no letters."""
    with connect(redis_url) as made:
        for partition in range(PARTITIONS):
            made.xadd(f"zy:bus:{partition}", {"k": "", "t": "0", "e": b""})
            made.xtrim(f"zy:bus:{partition}", maxlen=0, approximate=False)
        yield made


@pytest.fixture
def typed(redis_url: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Typed:
    """Types ``zhiyin dead-letters ...``: exit code, stdout, stderr."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("REDIS_URL", redis_url)

    def type_(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["dead-letters", *words])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return type_


def write(client: redis.Redis, *letters: DeadLetter) -> list[str]:
    """Letters on the stream; their ids."""
    RedisDeadLetterWriter(client, "0.9").write(letters)
    return ids_of(client)


def ids_of(client: redis.Redis) -> list[str]:
    entries: Any = client.xrange("zy:dead-letters")
    return [entry_id.decode() for entry_id, _ in entries]


def on_the_bus(client: redis.Redis) -> list[tuple[str, int, bytes]]:
    found: list[tuple[str, int, bytes]] = []
    for partition in range(PARTITIONS):
        entries: Any = client.xrange(f"zy:bus:{partition}")
        found += [(fields[b"k"].decode(), int(fields[b"t"]), fields[b"e"]) for _, fields in entries]
    return found


def as_events(*letters: DeadLetter) -> list[tuple[str, int, bytes]]:
    return [(each.customer_id or "", each.time_ms or 0, each.raw) for each in letters]


class TestList:
    def test_without_letters_it_says_so(self, typed: Typed) -> None:
        assert typed("list") == (0, "no dead letters\n", "")
        assert typed("list", "--json") == (0, "", "")

    def test_the_newest_come_first_and_all_are_counted(self, typed: Typed, client: redis.Redis) -> None:
        ids = write(client, letter(1), letter(2, JOURNEY, "bo"), letter(3))
        typed("redrive", ids[2])
        code, out, err = typed("list", "--limit", "2")
        assert (code, err) == (0, "")
        table, _, counts = out.partition("\n\n")
        heads, newest, second = table.splitlines()
        assert heads.split() == ["ID", "KIND", "REFUSED", "AGE", "CUSTOMER", "WHERE", "REDRIVEN"]
        assert newest.split()[:2] == [ids[2], "unknown_step"]
        assert newest.split()[-2] == "'face_chek'"
        assert newest.endswith("Z")
        assert second.split()[0] == ids[1]
        assert second.split()[-4:] == ["bo", "$.properties.journey", "'lone'", "-"]
        assert counts == (
            "unknown_step           2, 1 redriven\nunknown_journey        1\n3 letters, the newest 2 above\n"
        )

    def test_it_may_be_of_one_kind_and_of_a_time(self, typed: Typed, client: redis.Redis) -> None:
        ids = write(client, letter(1), letter(2, JOURNEY), letter(3))
        assert typed("list", "--kind", "unknown_journey")[1].endswith("\nunknown_journey        1\n1 letter\n")
        assert typed("list", "--since", "1h")[1].endswith("\n3 letters\n")
        assert typed("list", "--until", "1h")[1] == "no dead letters\n"
        assert typed("list", "--since", "2999-01-01")[1] == "no dead letters\n"
        code, out, _ = typed("list", "--json", "--until", "2999-01-01", "--limit", "2")
        assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, [ids[2], ids[1]])

    def test_programs_get_all_that_the_table_says(self, typed: Typed, client: redis.Redis) -> None:
        [letter_id] = write(client, letter(1))
        found = json.loads(typed("list", "--json")[1])
        assert found.pop("refused_at")[:2] == "20"
        assert found == {
            "id": letter_id,
            "kind": "unknown_step",
            "customer_id": "mei",
            "time": "2027-01-15T07:59:59.999Z",
            "path": "$.properties.step",
            "found": "'face_chek'",
            "expected": "one of apply, face_check",
            "redriven_at": None,
        }

    def test_what_customers_send_cannot_command_a_terminal(self, typed: Typed, client: redis.Redis) -> None:
        write(client, letter(1, Rejection("x\x1b[2J", "$", "\x9b" + "y" * 99, "a\nb"), "eve\u202e\x07"))
        [letter_id] = ids_of(client)
        for words in (["list"], ["show", letter_id], ["show", letter_id, "--json"]):
            out = typed(*words)[1]
            assert all(each.isprintable() or each == "\n" for each in out)
            assert "eve\\u202e\\u0007" in out
        assert len(typed("list")[1].splitlines()) == 5

    def test_what_zhiyin_did_not_write_is_listed(self, typed: Typed, client: redis.Redis) -> None:
        client.xadd("zy:dead-letters", {"hello": "world"})
        code, out, _ = typed("list")
        assert (code, out.splitlines()[1].split()[1]) == (0, "foreign")
        assert "Zhiyin did not write this" in typed("show", ids_of(client)[0])[1]
        assert typed("redrive", "--all", "--yes")[1] == "redriven: 0 letters\nleft out: 1 not written by Zhiyin\n"


class TestShow:
    def test_a_letter_is_shown_whole_with_what_to_do(self, typed: Typed, client: redis.Redis) -> None:
        [letter_id] = write(client, letter(1))
        code, out, err = typed("show", letter_id)
        assert (code, err) == (0, "")
        assert f"letter    {letter_id}\nkind      unknown_step\nrefused   20" in out
        assert "by zhiyin 0.9\ncustomer  mei\nhappened  2027-01-15T07:59:59.999Z\nredriven  no\n" in out
        assert "$.properties.step: found 'face_chek', expected one of apply, face_check\n" in out
        assert "what to do\n  The sender knows a step that the catalogue does not." in out
        assert '  {\n    "event": "Transaction Step Viewed",\n    "userId": "mei",\n    "messageId": "m1"\n  }\n' in out
        assert '"processor": {\n      "artifact": "zhiyin",' in out

    def test_the_event_alone_is_byte_for_byte(self, typed: Typed, client: redis.Redis) -> None:
        raw = bytes(range(128))
        write(client, DeadLetter(raw, (STEP,), NOON_MS))
        assert typed("show", ids_of(client)[0], "--raw") == (0, raw.decode(), "")

    def test_bytes_that_are_no_text_are_shown_as_such(self, typed: Typed, client: redis.Redis) -> None:
        write(client, DeadLetter(b"\xff\x1b{", (Rejection("not_json", "$", "?", "JSON"),), NOON_MS))
        out = typed("show", ids_of(client)[0])[1]
        assert "the event, 3 bytes\n  \\xff\\u001b{\n" in out
        assert '"raw_base64": "/xt7"' in out
        assert "customer  nobody knows\nhappened  nobody knows\n" in out

    def test_the_letter_alone_is_json(self, typed: Typed, client: redis.Redis) -> None:
        [letter_id] = write(client, letter(1))
        assert json.loads(typed("show", letter_id, "--json")[1])["payload"]["raw"] == letter(1).raw.decode()

    def test_an_id_that_is_none_is_named(self, typed: Typed) -> None:
        code, out, err = typed("show", "1-2")
        assert (code, out) == (1, "")
        assert err == (
            "zhiyin dead-letters: id '1-2': found no such letter, expected one that is kept; nothing was done; "
            "'zhiyin dead-letters list' shows them\n"
        )


class TestRedrive:
    def test_letters_go_oldest_first_however_named_and_once(self, typed: Typed, client: redis.Redis) -> None:
        letters = [letter(number) for number in range(12)]
        ids = write(client, *letters)
        assert typed("redrive", *ids[::-1]) == (0, "redriven: 12 letters (unknown_step 12)\n", "")
        assert on_the_bus(client) == as_events(*letters)
        assert typed("redrive", *ids) == (0, "redriven: 0 letters\nleft out: 12 redriven before\n", "")
        assert len(on_the_bus(client)) == 12

    def test_a_kind_goes_and_the_others_stay(self, typed: Typed, client: redis.Redis) -> None:
        write(client, letter(1), letter(2, JOURNEY), letter(3))
        assert typed("redrive", "--kind", "unknown_journey", "--yes")[1] == "redriven: 1 letter (unknown_journey 1)\n"
        assert on_the_bus(client) == as_events(letter(2, JOURNEY))
        assert typed("redrive", "--all", "--until", "1h", "--yes")[1] == "redriven: 0 letters\n"
        assert typed("redrive", "--all", "--since", "1h", "--yes")[1] == (
            "redriven: 2 letters (unknown_step 2)\nleft out: 1 redriven before\n"
        )
        assert sorted(on_the_bus(client)) == sorted(as_events(letter(1), letter(2, JOURNEY), letter(3)))

    def test_a_dry_run_only_looks(self, typed: Typed, client: redis.Redis) -> None:
        write(client, letter(1), letter(2, JOURNEY))
        assert typed("redrive", "--all", "--dry-run") == (
            0,
            "would redrive: 2 letters (unknown_journey 1, unknown_step 1)\n",
            "",
        )
        assert on_the_bus(client) == []

    def test_many_go_step_by_step(self, typed: Typed, client: redis.Redis) -> None:
        write(client, *(letter(number, customer=f"c{number}") for number in range(450)))
        assert typed("redrive", "--all", "--yes")[1] == "redriven: 450 letters (unknown_step 450)\n"
        assert len(on_the_bus(client)) == 450

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], "expected one of: IDs, --kind K, --all"),
            (["1-1", "--all"], "expected one of: IDs, --kind K, --all"),
            (["--all", "--kind", "x"], "expected one of: IDs, --kind K, --all"),
            (["1-1", "--since", "2h"], "--since and --until go with --kind or --all, not with IDs"),
            (["--all", "--since", "soon"], "argument --since: found 'soon', expected so long ago, such as 90s, 2h"),
        ],
    )
    def test_it_must_be_clear_what_goes(self, typed: Typed, words: Sequence[str], said: str) -> None:
        code, _, err = typed("redrive", *words)
        assert code == 2
        assert said in err

    def test_where_nobody_can_be_asked_it_wants_a_yes(
        self, typed: Typed, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(client, letter(1))
        with open(os.devnull, encoding="ascii") as nothing:  # noqa: PTH123 - a device
            monkeypatch.setattr(sys, "stdin", nothing)
            code, _, err = typed("redrive", "--all")
        assert code == 1
        assert err == (
            "zhiyin dead-letters: redrive 1 letter (unknown_step 1): found nobody to ask: standard input is no "
            "terminal, expected y; nothing was done; --yes agrees beforehand, --dry-run only looks\n"
        )
        assert on_the_bus(client) == []

    def test_an_id_that_is_none_stops_all(self, typed: Typed, client: redis.Redis) -> None:
        [letter_id] = write(client, letter(1))
        code, _, err = typed("redrive", letter_id, "nobody", "7-7")
        assert code == 1
        assert "id 'nobody', '7-7': found no such letter," in err
        assert on_the_bus(client) == []

    def test_a_full_bus_is_said_and_it_goes_on_later(
        self, typed: Typed, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ZHIYIN_BUS_MAX_EVENTS", "150")
        write(client, *(letter(number) for number in range(170)))
        code, out, err = typed("redrive", "--all", "--yes")
        assert (code, out) == (1, "")
        assert "holds 100 events of at most 150, no room for 70 more; send again later" in err
        assert "; 100 of 170 letters were redriven and marked before that; the same command again goes on" in err
        assert len(on_the_bus(client)) == client.hlen("zy:redriven") == 100
        for partition in range(PARTITIONS):
            client.xtrim(f"zy:bus:{partition}", maxlen=0, approximate=False)
        assert typed("redrive", "--all", "--yes")[1] == (
            "redriven: 70 letters (unknown_step 70)\nleft out: 100 redriven before\n"
        )
        assert on_the_bus(client) == as_events(*(letter(number) for number in range(100, 170)))

    def test_a_redis_without_memory_ends_it_with_nothing_half_done(self, typed: Typed, client: redis.Redis) -> None:
        write(client, letter(1), letter(2))
        client.config_set("maxmemory", "1")
        try:
            code, out, err = typed("redrive", "--all", "--yes")
        finally:
            client.config_set("maxmemory", "0")
        assert (code, out) == (1, "")
        assert err.startswith("zhiyin dead-letters: redriving dead letters: Redis at ")
        assert "raise its maxmemory or give it more memory; 0 of 2 letters were redriven and marked before that" in err
        assert (on_the_bus(client), client.exists("zy:redriven")) == ([], 0)
        assert typed("redrive", "--all", "--yes")[0] == 0

    def test_settings_of_another_bus_are_refused(
        self, typed: Typed, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ZHIYIN_BUS_PARTITIONS", "2")
        write(client, letter(1))
        code, _, err = typed("redrive", "--all", "--yes")
        assert code == 1
        assert err.startswith(
            "zhiyin dead-letters: bus_partitions 2: found a partition 3 in Redis, expected the number"
        )
        assert on_the_bus(client) == []

    def test_marks_of_letters_that_are_gone_go_too(self, typed: Typed, client: redis.Redis) -> None:
        write(client, letter(1))
        typed("redrive", "--all", "--yes")
        client.delete("zy:dead-letters")
        write(client, letter(2))
        typed("redrive", "--all", "--yes")
        assert client.hlen("zy:redriven") == 1


def test_redis_must_be_named_and_there(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}")
    for words in (["list"], ["show", "1-1"], ["redrive", "--all", "--yes"], ["redrive", "1-1"]):
        code, out, err = typed(*words)
        assert (code, out) == (1, "")
        assert err.startswith(f"zhiyin dead-letters: reading dead letters: Redis at 127.0.0.1:{port} is gone (")
        assert err.count("\n") == 1
    monkeypatch.delenv("REDIS_URL")
    code, _, err = typed("list")
    assert code == 2
    assert "REDIS_URL: found nothing, expected a value: dead-letters can't run without" in err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1)])
def test_at_a_terminal_it_asks_and_shows_how_far_it_is(
    client: redis.Redis, redis_url: str, answer: str, code: int
) -> None:
    write(client, *(letter(number) for number in range(3)))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        bound([sys.executable, "-m", "zhiyin", "dead-letters", "redrive", "--all"]),
        cwd=ROOT,
        env=clean_environment() | {"REDIS_URL": redis_url},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        asked = read_until(ours, "[y/N] ")
        os.write(ours, answer.encode())
        said = read_until(ours, None)
    finally:
        assert process.wait(300) == code
        os.close(ours)
    assert asked == "Redrive 3 letters (unknown_step 3)? [y/N] "
    if code == 0:
        assert (
            "redrive [##############################] 100% 3 of 3, 0 s\r\nredriven: 3 letters (unknown_step 3)" in said
        )
    else:
        assert "found the answer '', expected y; nothing was done" in said
    assert len(on_the_bus(client)) == (0 if code else 3)


def read_until(terminal: int, words: str | None) -> str:
    """What comes on a terminal up to ``words``, or to its end."""
    said, give_up = b"", time.monotonic() + 300
    while words is None or not said.decode("utf-8", "replace").endswith(words):
        assert time.monotonic() < give_up, said
        try:
            more = os.read(terminal, 65_536)
        except OSError:  # how a terminal ends when nobody holds its other side
            more = b""
        if not more:
            break
        said += more
    return said.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("span_ms", "words"),
    [(-5, "0 s"), (0, "0 s"), (59_999, "59 s"), (60_000, "1 m"), (7_200_000, "2 h"), (86_400_000 * 400, "400 d")],
)
def test_an_age_has_one_unit(span_ms: int, words: str) -> None:
    assert age(span_ms) == words


def test_printable_text_stays_json() -> None:
    text = 'a\x00\x1b\x7f\u2028\U000e0001 "好"'
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text
    assert printable("好\n") == "好\n"
