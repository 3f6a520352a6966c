"""Scenarios run side by side, those that were asked for: most of their time is waiting."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

import pytest

from tests.parts.machine import PARTS

AT_ONCE: Final = max(2, os.cpu_count() or 1)
Scenario = Callable[[Path], list[str]]
Running = Mapping[Scenario, Future[list[str]]]


@pytest.fixture(scope="package")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The scenarios of the tests that are to run, begun."""
    wanted: dict[Scenario, None] = dict.fromkeys(
        cast("Scenario", item.callspec.params["scenario"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "running" in item.fixturenames and _parts_are_here(item)
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {each: pool.submit(each, tmp_path_factory.mktemp("chaos") / each.__name__) for each in wanted}
        pool.shutdown(cancel_futures=True)


def _parts_are_here(item: pytest.Function) -> bool:
    names = [name for marker in item.iter_markers("requires") for name in marker.args]
    return all(PARTS[name]() is None for name in names)
