import msgspec
import pytest

from bench import processes
from bench.not_measured import NotMeasured
from bench.scale import QUICK

TINY = msgspec.structs.replace(QUICK, repeats=1, member_attempts=2_000)


@pytest.mark.slow
def test_two_processes_together_and_apart_tell_as_much_as_one() -> None:
    together, apart, learning = processes.measure(TINY)
    assert together.aim is not None
    for speed, events in ((together, "7,000"), (apart, "7,000"), (learning, "1,750")):
        assert speed.value > 0
        assert speed.note.startswith(f"{events} events, ")


def test_a_process_that_ends_is_said() -> None:
    with pytest.raises(NotMeasured, match="processes not measured: found a process ended with 1, expected an answer"):
        list(processes.measure(msgspec.structs.replace(TINY, member_attempts="none")))
