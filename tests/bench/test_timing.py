import time

from bench.timing import interleaved, quotients, taken


def test_what_is_compared_takes_turns() -> None:
    order: list[str] = []

    def run(name: str) -> str:
        order.append(name)
        return f"{name}{len(order)}"

    assert interleaved(2, [lambda: run("a"), lambda: run("b")]) == [["a1", "a3"], ["b2", "b4"]]
    assert order == ["a", "b", "a", "b"]


def test_short_work_is_done_until_the_clock_has_something_to_measure() -> None:
    passes = 0

    def work() -> None:
        nonlocal passes
        passes += 1
        time.sleep(0.001)

    found = taken(work, least_s=0.02)
    assert 5 <= passes <= 20
    assert 0.001 <= found.wall_s <= 0.02
    assert found.cpu_s < found.wall_s


def test_long_work_is_done_once() -> None:
    assert taken(lambda: time.sleep(0.01)).wall_s >= 0.01


def test_quotients_are_of_neighbours() -> None:
    assert quotients([1.0, 6.0], [2.0, 3.0]) == [0.5, 2.0]
