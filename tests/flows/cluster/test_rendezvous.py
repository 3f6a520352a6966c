"""The processes of a set meet before they begin: all of one generation, on the same terms, prepared once."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.cluster.member import Member
from flows.cluster.rendezvous import Rendezvous

ADDRESSES = ("a:1", "b:2", "c:3")


class Guest:
    """One process of the set, in a thread of its own."""

    def __init__(self, folder: Path, index: int, token: str, terms: str = "the same") -> None:
        self.meeting = Rendezvous(Member(index, ADDRESSES), folder, token, terms)
        self.prepared = 0
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._meet)
        self._thread.start()

    def _meet(self) -> None:
        self.meeting.join(self._prepare, lambda: not self._gone.is_set(), lambda _: time.sleep(0.005))

    def _prepare(self) -> None:
        self.prepared += 1

    def begins(self, within_s: float = 120.0) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def goes(self) -> None:
        """As a process that is killed: its card stays."""
        self._gone.set()
        self._thread.join()


@contextmanager
def guests(*all_of_them: Guest) -> Iterator[None]:
    try:
        yield
    finally:
        for guest in all_of_them:
            guest.goes()


def test_all_begin_when_all_are_there_and_one_prepares(tmp_path: Path) -> None:
    first, second = Guest(tmp_path, 0, "t0"), Guest(tmp_path, 1, "t1")
    with guests(first, second):
        assert not first.begins(0.1)
        third = Guest(tmp_path, 2, "t2")
        with guests(third):
            assert [guest.begins() for guest in (first, second, third)] == [True] * 3
            assert [guest.prepared for guest in (first, second, third)] == [1, 0, 0]
            assert {guest.meeting.state() for guest in (first, second, third)} == {"together"}


def test_cards_of_before_count_for_nothing(tmp_path: Path) -> None:
    before = [Guest(tmp_path, index, f"old{index}") for index in range(3)]
    assert all(guest.begins() for guest in before)
    first, second = Guest(tmp_path, 0, "new0"), Guest(tmp_path, 1, "new1")
    with guests(first, second):
        assert not first.begins(0.1)
        assert not second.begins(0.1)
        assert before[2].meeting.state() == "broken"
        third = Guest(tmp_path, 2, "new2")
        assert all(guest.begins() for guest in (first, second, third))
        assert first.prepared == 1


def test_one_that_begins_anew_is_seen_by_those_who_had_begun(tmp_path: Path) -> None:
    all_of_them = [Guest(tmp_path, index, f"t{index}") for index in range(3)]
    assert all(guest.begins() for guest in all_of_them)
    anew = Guest(tmp_path, 1, "another")
    with guests(anew):
        assert not anew.begins(0.1)
        assert [all_of_them[index].meeting.state() for index in (0, 2)] == ["broken", "broken"]
        again = [Guest(tmp_path, index, f"again{index}") for index in (0, 2)]
        assert all(guest.begins() for guest in (anew, *again))


def test_one_that_stops_is_heard_by_all(tmp_path: Path) -> None:
    all_of_them = [Guest(tmp_path, index, f"t{index}") for index in range(3)]
    assert all(guest.begins() for guest in all_of_them)
    all_of_them[1].meeting.announce_shutdown()
    assert [guest.meeting.state() for guest in all_of_them] == ["stopping", "together", "stopping"]


def test_one_on_other_terms_is_named_once_and_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Guest(tmp_path, 0, "t0"), Guest(tmp_path, 1, "t1")
    other = Guest(tmp_path, 2, "t2", terms="catalogue of last week")
    with guests(first, second), caplog.at_level(logging.WARNING, "zhiyin.engine"):
        assert not first.begins(0.3)
        other.goes()
        said = [record.message for record in caplog.records]
        words = "process 2 of the set: found catalogue of last week, expected the same; it is waited for until all are"
        assert len([line for line in said if words in line]) == 2
        same = Guest(tmp_path, 2, "t3")
        assert all(guest.begins() for guest in (first, second, same))


def test_half_a_card_is_none(tmp_path: Path) -> None:
    (tmp_path / "meeting-1.json").write_text("{")
    first = Guest(tmp_path, 0, "t0")
    with guests(first):
        assert not first.begins(0.1)


def test_generations_that_come_and_go_at_random_end_in_one(tmp_path: Path) -> None:
    """However they are started and killed: who began with one that has gone sees it, and all begin together."""
    for round_number in range(20):
        running = [Guest(tmp_path, index, f"{round_number}-{index}") for index in range(3)]
        victim = round_number % 3
        time.sleep(0.003 * (round_number % 5))
        running[victim].goes()
        running[victim] = Guest(tmp_path, victim, f"{round_number}-{victim}-again")
        give_up = time.monotonic() + 120
        while not all(guest.begins(0.02) and guest.meeting.state() == "together" for guest in running):
            assert time.monotonic() < give_up
            for index, guest in enumerate(running):
                if guest.begins(0.0) and guest.meeting.state() == "broken":
                    running[index] = Guest(tmp_path, index, f"{round_number}-{index}-{time.monotonic_ns()}")
