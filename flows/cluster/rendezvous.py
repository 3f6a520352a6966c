"""Processes of a set announce themselves and agree before they begin, and see later that they are still the same.

Each keeps a small file in the recovery folder: a token of its own, new with each start; the tokens it has seen of the
others; and the terms it was started on. They begin when all have seen the same tokens. Without this, processes
that are started again one by one after a failure may meet half-way, find others gone, and start again for ever.

In: files of the others. Out: go; later, whether one of them has begun anew (then the set is no more) or is stopping.
Refused: to begin with one that was started on other terms; it is said, and waited for.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from flows.cluster.member import Member

LOG: Final = logging.getLogger("zhiyin.engine")
LOOK_S: Final = 0.2

RendezvousState = Literal["together", "stopping", "broken"]


class Announcement(msgspec.Struct, frozen=True):
    """What one process says of itself. ``seen``: every process's token in order, as far as it knows them.

    ``prepared``: that of process 0, which does what must be done once before all begin.
    """

    token: str
    # The name that earlier versions write: a process of another version must be named, not overlooked.
    config_fingerprint: str = msgspec.field(name="terms")
    seen: tuple[str, ...] = ()
    prepared: bool = False
    stopping: bool = False


_DECODER: Final = msgspec.json.Decoder(Announcement)


class Rendezvous:
    """``member``'s part in it. ``token``: of this start; ``config_fingerprint``: what must be the same for all."""

    def __init__(self, member: Member, folder: Path, token: str, config_fingerprint: str) -> None:
        self._member = member
        self._folder = folder
        self._announcement = Announcement(token, config_fingerprint)
        self._others: dict[int, str] = {}
        self._logged: set[str] = set()

    def join(self, prepare: Callable[[], object], go_on: Callable[[], bool], pause: Callable[[float], None]) -> None:
        """Waits until all have seen the same and are prepared; or until ``go_on()`` says no. Raises OSError.

        ``prepare()`` is called in process 0 alone, when nobody of before runs any more and nobody has begun.
        """
        while go_on() and not self._all_agree():
            pause(LOOK_S)
        if go_on() and self._member.index == 0:
            prepare()
            self._write(msgspec.structs.replace(self._announcement, prepared=True))
        while go_on() and not self._prepared() and self.state() != "broken":
            pause(LOOK_S)

    def state(self) -> RendezvousState:
        """How it is, once they have met."""
        announcements = {index: self._read(index) for index in self._others}
        known = {index: announcement for index, announcement in announcements.items() if announcement is not None}
        if any(announcement.token != self._others[index] for index, announcement in known.items()):
            return "broken"
        return "stopping" if any(announcement.stopping for announcement in known.values()) else "together"

    def announce_shutdown(self) -> None:
        """Tells the others that this process was told to stop. Raises OSError."""
        self._write(msgspec.structs.replace(self._announcement, stopping=True))

    def _all_agree(self) -> bool:
        announcements = {index: self._read(index) for index in range(self._member.size) if index != self._member.index}
        announcements[self._member.index] = self._announcement
        seen = tuple(
            announcement.token if (announcement := announcements[index]) is not None else ""
            for index in sorted(announcements)
        )
        if seen != self._announcement.seen:
            self._write(msgspec.structs.replace(self._announcement, seen=seen))
        self._log_differences(announcements)
        agreed = all(
            announcement is not None
            and announcement.seen == seen
            and announcement.config_fingerprint == self._announcement.config_fingerprint
            for announcement in announcements.values()
        )
        if agreed:
            self._others = {index: seen[index] for index in announcements if index != self._member.index}
        return agreed

    def _prepared(self) -> bool:
        first = self._announcement if self._member.index == 0 else self._read(0)
        return first is not None and first.prepared and first.seen == self._announcement.seen

    def _log_differences(self, announcements: dict[int, Announcement | None]) -> None:
        expected = self._announcement.config_fingerprint
        for index, announcement in announcements.items():
            if (
                announcement is None
                or announcement.config_fingerprint == expected
                or self._announcement.token not in announcement.seen
            ):
                continue
            message = f"process {index} of the set: found {announcement.config_fingerprint}, expected {expected}"
            if message not in self._logged:
                self._logged.add(message)
                LOG.warning("%s; it is waited for until all are the same", message)

    def _read(self, index: int) -> Announcement | None:
        try:
            return _DECODER.decode(self._path(index).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, announcement: Announcement) -> None:
        self._announcement = announcement
        path = self._path(self._member.index)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(announcement))
        unfinished.replace(path)

    def _path(self, index: int) -> Path:
        return self._folder / f"meeting-{index}.json"
