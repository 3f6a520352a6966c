"""The one place that starts Bytewax, and that understands how it ends.

Bytewax wraps what our code raises, and its core speaks of panics. What comes out of here is our own error, or one
that describes what has happened.
"""

import gc
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import bytewax.run
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import InconsistentPartitionsError, MissingPartitionsError, NoPartitionsError

from flows.cluster.member import AddressUnusable, Member, MemberLost
from flows.cluster.recovery_folder import Layout, RecoveryUnusable
from flows.live.first_error import FirstError

_GARBAGE_THRESHOLDS: Final = (2_000, 3, 1_000_000)
"""State is millions of long-lived records without cycles: looking through all of them would find
nothing and stall for it; only what is young is looked through, and few at a time, for ten thousand
records that lie all over a gigabyte take 15 ms."""
_NOT_WHOLE: Final = (InconsistentPartitionsError, MissingPartitionsError, NoPartitionsError)
_NO_ADDRESS: Final = "failed to initialize networking: "
_SQLITE_REASON: Final = re.compile(r'SqliteFailure\(.*Some\("([^"]+)"\)')
_LOST: Final = "thread panic"
"""What the threads that carry messages between processes die of: the other end."""

_ALONE: Final = Member()

_run: Final[Callable[..., Any]] = bytewax.run.cli_main


class EnginePanic(Exception):
    """The core of Bytewax has given up. ``reason``: its own words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the core of the engine gave up ({reason}); start it again, it goes on from the last snapshot; "
            "if it comes back, report it with the log"
        )


def quieten_garbage_collection() -> None:
    """For processes that hold shards: from now on only young objects are looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def run_dataflow(
    flow: Dataflow, workers: int, epoch_ms: int = 10_000, layout: Layout | None = None, member: Member = _ALONE
) -> None:
    """Runs until the sources end, as ``member`` of a set once the others are there. With a ``layout`` state is kept.

    Raises what the flow's own code raised, MemberLost, AddressUnusable, RecoveryUnusable, EnginePanic.
    """
    quieten_garbage_collection()
    first_error = FirstError(flow)
    cluster = {"process_id": member.index, "addresses": list(member.addresses)} if member.addresses else {}
    try:
        _run(
            flow,
            workers_per_process=workers,
            epoch_interval=timedelta(milliseconds=epoch_ms),
            recovery_config=layout.recovery_config() if layout is not None else None,
            **cluster,
        )
    except BaseException as error:
        ours = first_error.error or _raised_by_us(error)
        if ours is not None:
            raise ours from ours.__cause__
        raise _described_error(error, layout, member) from error


def _raised_by_us(error: BaseException) -> BaseException | None:
    """What our code, or Python, raised: the first link that is not Bytewax's."""
    for cause in _causes(error):
        if not isinstance(cause, (BytewaxRuntimeError, *_NOT_WHOLE)) and type(cause) not in (RuntimeError, Exception):
            return None if type(cause).__name__ == "PanicException" else cause
    return None


def _described_error(error: BaseException, layout: Layout | None, member: Member) -> BaseException:
    text = " ".join(str(list(_causes(error))[-1]).split())
    if member.addresses and _LOST in text:
        return MemberLost(member)
    if member.addresses and _NO_ADDRESS in text:
        return AddressUnusable(member, text.partition(_NO_ADDRESS)[2])
    if layout is not None and (isinstance(error, _NOT_WHOLE) or "recovery.rs" in str(error) or "Sqlite" in text):
        sqlite = _SQLITE_REASON.search(text)
        return RecoveryUnusable(layout.folder, sqlite[1] if sqlite is not None else text)
    return EnginePanic(text)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
