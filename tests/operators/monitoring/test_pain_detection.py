"""Pain points of one journey: found, put in their place, fixed, proved, reopened; not raised for nothing."""

from collections.abc import Callable, Iterator
from random import Random

import msgspec
import pytest

from operators.monitoring.journey_map import DAY_MS, HOUR_MS
from operators.monitoring.journey_monitor import JourneyMonitor, MapChanged, PainPointChanged
from operators.monitoring.pain_detection import is_beyond, pain_thresholds
from operators.monitoring.pain_points import (
    PainPoint,
    PainPointAction,
    PainPointUpdate,
    boundaries,
    pain_point_document,
)
from operators.records.catalogue import Catalogue, Journey, Monitoring, Owner, Reason, Step, Words
from operators.support.intervals import Proportion
from operators.support.snapshot_codec import StateUnreadable
from operators.tracking.transitions import MOVED, STUMBLED, UNKNOWN_DWELL, Transition

BEGINS_MS = 1_767_571_200_000
"""A Monday's midnight."""
AN_HOUR = 60
TITLE = Words(zh="步", en="step")


def owner(system: str, department: str) -> Owner:
    return Owner(system=system, department=department)


LOAN = Journey(
    title=TITLE,
    steps=(
        Step(id="form", title=TITLE, owner=owner("portal", "Sales")),
        Step(id="code", title=TITLE, owner=owner("sms", "Sales")),
        Step(id="sign", title=TITLE, owner=owner("e-sign", "Legal")),
        Step(id="done", title=TITLE, final=True, owner=owner("portal", "Sales")),
    ),
)
CATALOGUE = Catalogue(
    journeys={"loan": LOAN}, reasons=dict[str, Reason](), monitoring=Monitoring(channels=("web", "app"))
)

Chances = Callable[[int, str, str], tuple[float, float, float]]
"""Of an hour, a step and a channel: chance of breaking off, of a failure, and the typical stay in ms."""


def as_ever(hour: int, _step: str, _channel: str) -> tuple[float, float, float]:
    weekend = hour // 24 % 7 >= 5
    return (0.09 if weekend else 0.06), 0.05, 12_000


def moves_of(hour: int, chances: Chances, random: Random) -> Iterator[Transition]:
    """An hour's customers, each walking from step to step until he is done or breaks off."""
    for _ in range(AN_HOUR):
        channel = random.choice(("web", "app"))
        cell = f"{channel}\tother"
        at_ms = BEGINS_MS + hour * HOUR_MS + random.randrange(HOUR_MS - 600_000)
        yield "loan", ("started", "form", ""), at_ms, cell, UNKNOWN_DWELL
        for step, then in (("form", "code"), ("code", "sign"), ("sign", "done")):
            loss, failure, typical_ms = chances(hour, step, channel)
            at_ms += 1
            if random.random() < failure:
                yield "loan", (STUMBLED, step, ""), at_ms, cell, UNKNOWN_DWELL
            if random.random() < loss:
                yield "loan", ("abandoned", step, ""), at_ms, cell, UNKNOWN_DWELL
                break
            yield "loan", (MOVED, step, then), at_ms, cell, round(typical_ms * random.lognormvariate(0, 0.6))


class Life:
    """One monitor that lives through hours."""

    def __init__(self, seed: int = 1) -> None:
        self.monitor = JourneyMonitor(CATALOGUE.journeys, pain_thresholds(CATALOGUE), keeps_changes=True)
        self.monitor.open("loan")
        self.words: list[PainPointChanged] = []
        self._random = Random(seed)
        self.hour = 0

    def go_on(self, days: int, chances: Chances) -> None:
        for _ in range(days * 24):
            moves = sorted(moves_of(self.hour, chances, self._random), key=lambda move: move[2])
            self.monitor.take(moves)
            self.words += [
                each for each in self.monitor.pop_outputs() if isinstance(each, PainPointChanged) and each.action
            ]
            self.hour += 1

    @property
    def now_ms(self) -> int:
        return BEGINS_MS + self.hour * HOUR_MS

    def point(self, step: str) -> PainPoint:
        return self.monitor.watch.points[step]

    def report(self, step: str, word: PainPointAction, assignee: str | None = None) -> bool:
        return self.monitor.report(PainPointUpdate("loan", self.point(step).id, word, self.now_ms, "anna", assignee))

    def told(self) -> list[tuple[str, str]]:
        return [(each.point.step, each.action or "") for each in self.words]


def broken(hour: int, step: str, channel: str) -> tuple[float, float, float]:
    loss, failure, typical_ms = as_ever(hour, step, channel)
    return (3 * loss, 4 * failure, typical_ms) if step == "code" else (loss, failure, typical_ms)


def worse_in_app(hour: int, step: str, channel: str) -> tuple[float, float, float]:
    loss, failure, typical_ms = as_ever(hour, step, channel)
    return (5 * loss if (step, channel) == ("sign", "app") else loss), failure, typical_ms


def slow(hour: int, step: str, channel: str) -> tuple[float, float, float]:
    loss, failure, typical_ms = as_ever(hour, step, channel)
    return loss, failure, typical_ms * (2.2 if step == "form" else 1)


@pytest.mark.slow
def test_nothing_is_raised_while_weeks_are_as_ever() -> None:
    life = Life()
    life.go_on(42, as_ever)
    assert life.told() == []


def test_a_broken_step_is_found_fixed_proved_and_reopened_by_itself() -> None:
    life = Life()
    life.go_on(21, as_ever)
    life.go_on(2, broken)
    assert life.told() == [("code", "opened")]
    point = life.point("code")
    assert point.scope == "all"
    assert {each.metric for each in point.symptoms} >= {"loss"}
    assert 0 <= point.since_ms - (BEGINS_MS + 21 * DAY_MS) < DAY_MS
    assert point.lost == pytest.approx(48 * AN_HOUR * 0.94 * 0.12, rel=0.4)
    assert life.report("code", "assigned", "SMS team")
    assert life.point("code").assignee == "SMS team"
    assert not life.report("code", "verified")
    assert life.report("code", "fixed")
    life.go_on(6, as_ever)
    assert life.told()[-1] == ("code", "verified")
    fix = pain_point_document(life.point("code"))["fix"]
    assert fix["verdict"] == "worked"
    assert fix["high"] < 0
    life.go_on(2, broken)
    assert life.told() == [("code", word) for word in ("opened", "assigned", "fixed", "verified", "reopened")]
    assert (point.times_reopened, point.state) == (1, "open")


def test_a_fix_that_does_not_help_reopens() -> None:
    life = Life()
    life.go_on(21, as_ever)
    life.go_on(2, broken)
    assert life.report("code", "fixed")
    life.go_on(3, broken)
    assert life.told()[-1] == ("code", "reopened")


def test_what_one_channel_alone_shows_is_that_channels() -> None:
    life = Life()
    life.go_on(21, as_ever)
    life.go_on(2, worse_in_app)
    assert life.told() == [("sign", "opened")]
    assert life.point("sign").scope == "channel:app"


def test_a_channel_that_was_never_right_is_found_beside_the_others() -> None:
    life = Life()
    life.go_on(9, worse_in_app)
    [word] = life.words
    assert (word.point.step, word.point.scope) == ("sign", "channel:app")
    assert word.point.symptoms[0].against == "neighbours"


def test_a_step_that_takes_longer_is_found() -> None:
    life = Life()
    life.go_on(21, as_ever)
    life.go_on(2, slow)
    assert life.told() == [("form", "opened")]
    assert life.point("form").symptoms[0].metric == "slow"


@pytest.mark.slow
def test_what_is_dismissed_is_learned_anew() -> None:
    life = Life()
    life.go_on(21, as_ever)
    life.go_on(2, broken)
    assert life.report("code", "dismissed")
    life.go_on(30, broken)
    assert life.told() == [("code", "opened"), ("code", "dismissed")]


def test_boundaries_name_what_changes_hands() -> None:
    found = boundaries(LOAN)
    assert {step: each.kind for step, each in found.items()} == {"form": "step", "code": "system", "sign": "department"}
    assert found["sign"].step_before == "code"


def test_a_monitor_goes_on_after_a_restart_as_it_would_have() -> None:
    lived, packs = Life(3), []
    lived.go_on(16, as_ever)
    while lived.monitor.waiting:
        packs.append(lived.monitor.changes(500)[1])
    lived.go_on(1, broken)
    head, more = lived.monitor.head(), lived.monitor.changes()[1]
    taken_up = JourneyMonitor(CATALOGUE.journeys, pain_thresholds(CATALOGUE), keeps_changes=True)
    taken_up.restore(head, [*packs, more])
    assert set(taken_up.all_keys()) == set(lived.monitor.all_keys())
    assert taken_up.watch.streams == lived.monitor.watch.streams
    assert taken_up.watch.points == lived.monitor.watch.points
    assert taken_up.map.panes.keys() == lived.monitor.map.panes.keys()
    [told] = [each for each in taken_up.pop_outputs() if isinstance(each, MapChanged)]
    assert set(told.panes) == {str(key) for key in taken_up.map.panes}
    whole = lived.monitor.rows(lived.monitor.all_keys())
    swept = JourneyMonitor(CATALOGUE.journeys, pain_thresholds(CATALOGUE))
    swept.restore(head, [whole])
    assert swept.watch.streams == lived.monitor.watch.streams
    with pytest.raises(StateUnreadable, match="zhiyin-monitor-1"):
        swept.restore(msgspec.msgpack.encode(("other", "", 0, None, 0)), [])


def test_neighbours_must_differ_for_sure() -> None:
    assert is_beyond(Proportion(300, 1000), Proportion(100, 1000), 4.0)
    assert not is_beyond(Proportion(140, 1000), Proportion(100, 1000), 2.0)
    assert not is_beyond(Proportion(60, 150), Proportion(10, 1000), 2.0)
