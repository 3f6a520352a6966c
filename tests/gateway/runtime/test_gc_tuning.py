"""When everything is looked through for garbage: seldom, and once enough has come and gone."""

import gc
import subprocess
import sys
import weakref

from gateway.runtime.gc_tuning import EVERY_S, FEWEST_ENDED, THRESHOLDS, Garbage
from tests.parts.bound import bound
from tests.parts.machine import ROOT

QUIET = """
import gc
from gateway.runtime.gc_tuning import quieten_garbage_collection
quieten_garbage_collection()
print(gc.get_threshold(), gc.get_freeze_count() > 1_000)
"""


class Ring:
    """Refers to itself: only a search finds that nobody else does."""

    def __init__(self) -> None:
        self.me = self


def test_as_many_have_ended_as_are_open() -> None:
    garbage = Garbage(0.0)
    for _ in range(FEWEST_ENDED + 5):
        garbage.left_behind()
    assert garbage.look(1.0, FEWEST_ENDED + 6) is False
    ring = weakref.ref(Ring())
    gc.collect(0)
    assert garbage.look(1.0, FEWEST_ENDED + 5) is True
    assert ring() is None
    assert garbage.look(1.0, 0) is False


def test_few_that_have_ended_wait_for_the_hour() -> None:
    garbage = Garbage(10.0)
    garbage.left_behind()
    assert garbage.look(9.0 + EVERY_S, 0) is False
    assert garbage.look(10.0 + EVERY_S, 0) is True
    assert garbage.look(11.0 + EVERY_S, 0) is False


def test_a_gateway_process_looks_through_what_is_young_alone() -> None:
    run = subprocess.run(bound([sys.executable, "-c", QUIET]), cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{THRESHOLDS} True"
