"""What a run prints as it goes: a line a module as its last test ends, and each failure at once.

In: what pytest reports, from one process or from several. Out: lines such as
``[ 12/231] tests/state/hints/test_writer.py  14 passed, 2 skipped  3.1 s``; the seconds are those of its tests
together. With ``-v`` or ``-q`` pytest prints as it always does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, Protocol

import pytest

NAME: Final = "progress by module"
_ORDER: Final = ("passed", "failed", "error", "skipped", "xfailed")


class Node(Protocol):
    """A worker process of a run in several, as the process that prints knows it."""


class Progress:
    """A plugin for the process that prints. ``terminal``: what it prints with."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._ids: dict[str, set[str]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._modules = 0
        self._done = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """A run in one process: these are its tests."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Node, ids: Iterable[str]) -> None:
        """A run in several: each process has found the same tests."""
        del node
        if not self._ids:
            self._expect(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        """No letter for a test; how it is counted stays as it was."""
        if report.when not in {"setup", "call", "teardown"}:
            return None
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        if hasattr(report, "wasxfail"):
            return ("xfailed", "", "XFAIL") if report.skipped else ("xpassed", "", "XPASS")
        if report.skipped:
            return ("skipped", "", "SKIPPED")
        return ("passed", "", "PASSED") if report.when == "call" else ("", "", "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test is over."""
        module = report.nodeid.partition("::")[0]
        self._seconds[module] += report.duration
        outcome = self.pytest_report_teststatus(report)
        if outcome is None or outcome[0]:
            category = "failed" if outcome is None else outcome[0]
            self._counts.setdefault(module, Counter())[category] += 1
            if category in {"failed", "error"}:
                self._terminal.write_line(f"{category.upper()} {report.nodeid} ({report.when})", red=True)
        if report.when == "teardown" and report.nodeid in self._ids.get(module, ()):
            self._over(module, report.nodeid)

    def _expect(self, ids: Iterable[str]) -> None:
        for each in ids:
            self._ids.setdefault(each.partition("::")[0], set()).add(each)
        self._modules = len(self._ids)

    def _over(self, module: str, test: str) -> None:
        self._ids[module].discard(test)
        if self._ids[module]:
            return
        self._done += 1
        counts = self._counts.get(module, Counter())
        said = ", ".join(f"{counts[each]} {each}" for each in _ORDER if counts[each])
        place = f"[{self._done:{len(str(self._modules))}}/{self._modules}]"
        self._terminal.write_line(f"{place} {module}  {said}  {self._seconds[module]:.1f} s")


def print_by_module(config: pytest.Config) -> None:
    """Print a line a module in this run, if it prints and nobody asked for more or less."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if not isinstance(terminal, pytest.TerminalReporter) or config.get_verbosity() != 0:
        return
    terminal.showfspath = False
    config.pluginmanager.register(Progress(terminal), NAME)
