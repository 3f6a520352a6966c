"""What our code raised first, although Bytewax tells of something else.

When a callback raises in a set of processes, the threads between them die of it too, and Bytewax speaks of their
death only: the cause is lost. So every callback of a dataflow is watched from outside.

In: a dataflow that is about to run. Out: the first error that one of its callbacks raised.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from bytewax.dataflow import Dataflow, Operator

_CALLED: Final = (
    *("next_batch", "next_awake", "write_batch"),
    *("on_batch", "on_notify", "on_eof", "notify_at", "snapshot", "close"),
)
"""What Bytewax calls of parts and logics."""

Callback = Callable[..., Any]


class FirstError:
    """``error``: the first one; None when no callback has raised."""

    def __init__(self, flow: Dataflow) -> None:
        self.error: Exception | None = None
        for step in _core_steps(flow.substeps):
            self._replace(step, "mapper", self._watched)
            self._replace(step, "builder", self._building)
            for endpoint in (getattr(step, "source", None), getattr(step, "sink", None)):
                self._replace(endpoint, "build_part", self._building)
                self._replace(endpoint, "build", self._building)

    def _replace(self, holder: object, name: str, wrap: Callable[[Callback], Callback]) -> None:
        callback = getattr(holder, name, None)
        if callback is not None:
            # Past the class's own rule: steps are frozen, but made for one run.
            object.__setattr__(holder, name, wrap(callback))

    def _watched(self, callback: Callback) -> Callback:
        def watched(*arguments: object) -> object:
            try:
                return callback(*arguments)
            except Exception as error:
                if not isinstance(error, StopIteration):
                    self.error = self.error or error
                raise

        return watched

    def _building(self, build: Callback) -> Callback:
        """``build``, watched, that gives parts and logics that are watched."""
        watched = self._watched(build)

        def building(*arguments: object) -> object:
            built = watched(*arguments)
            for name in _CALLED:
                self._replace(built, name, self._watched)
            return built

        return building


def _core_steps(steps: Iterable[Operator]) -> Iterator[Operator]:
    """The steps that Bytewax itself carries out."""
    for step in steps:
        if step.substeps:
            yield from _core_steps(step.substeps)
        else:
            yield step
