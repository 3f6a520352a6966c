import io
import sys

import pytest

from zhiyin.console.progress import Progress, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_much_of_what() -> None:
    assert bar("visits", 500, 1_000, 3.2) == f"visits [{'#' * 15}{'.' * 15}] 50% 500 of 1,000, 3 s"
    assert bar("visits", 0, 0, 0.0) == f"visits [{'#' * 30}] 100% 0 of 0, 0 s"
    assert bar("replay", 12_345, None, 3.2) == "replay 12,345, 3 s"


def test_a_terminal_sees_it_grow_and_end_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("visits", 1_000) as progress:
        for _ in range(1_000):
            progress.step()
    assert terminal.getvalue().startswith("\rvisits [")
    assert terminal.getvalue().endswith("100% 1,000 of 1,000, 0 s\n")


@pytest.mark.parametrize("quiet", [True, False])
def test_nobody_else_sees_anything(monkeypatch: pytest.MonkeyPatch, *, quiet: bool) -> None:
    stream = Terminal() if quiet else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("visits", 1_000, quiet=quiet) as progress:
        progress.step(1_000)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("unless_done_in_s", "shown"), [(60.0, False), (0.0, True)])
def test_what_is_quick_may_go_unseen(monkeypatch: pytest.MonkeyPatch, unless_done_in_s: float, *, shown: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("letters", None, unless_done_in_s=unless_done_in_s) as progress:
        progress.step()
    assert bool(terminal.getvalue()) == shown
