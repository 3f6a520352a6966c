"""Where the processes of a set meet before they begin, and see later whether they are still the same.

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
    config_fingerprint: str
    seen: tuple[str, ...] = ()
    prepared: bool = False
    stopping: bool = False


_CARD: Final = msgspec.json.Decoder(Announcement)


class Rendezvous:
    """``member``'s part in it. ``token``: of this start; ``terms``: what must be the same for all, in words."""

    def __init__(self, member: Member, folder: Path, token: str, terms: str) -> None:
        self._member = member
        self._folder = folder
        self._card = Announcement(token, terms)
        self._others: dict[int, str] = {}
        self._said: set[str] = set()

    def join(self, prepare: Callable[[], object], go_on: Callable[[], bool], pause: Callable[[float], None]) -> None:
        """Waits until all have seen the same and are prepared; or until ``go_on()`` says no. Raises OSError.

        ``prepare()`` is called in process 0 alone, when nobody of before runs any more and nobody has begun.
        """
        while go_on() and not self._all_agree():
            pause(LOOK_S)
        if go_on() and self._member.index == 0:
            prepare()
            self._write(msgspec.structs.replace(self._card, prepared=True))
        while go_on() and not self._prepared() and self.state() != "broken":
            pause(LOOK_S)

    def state(self) -> RendezvousState:
        """How it is, once they have met."""
        cards = {index: self._read(index) for index in self._others}
        if any(card is not None and card.token != self._others[index] for index, card in cards.items()):
            return "broken"
        return "stopping" if any(card is not None and card.stopping for card in cards.values()) else "together"

    def announce_shutdown(self) -> None:
        """Tells the others that this process was told to stop. Raises OSError."""
        self._write(msgspec.structs.replace(self._card, stopping=True))

    def _all_agree(self) -> bool:
        cards = {index: self._read(index) for index in range(self._member.size) if index != self._member.index}
        cards[self._member.index] = self._card
        seen = tuple(card.token if (card := cards[index]) is not None else "" for index in sorted(cards))
        if seen != self._card.seen:
            self._write(msgspec.structs.replace(self._card, seen=seen))
        self._say_terms(cards)
        agreed = all(
            card is not None and card.seen == seen and card.config_fingerprint == self._card.config_fingerprint
            for card in cards.values()
        )
        if agreed:
            self._others = {index: seen[index] for index in cards if index != self._member.index}
        return agreed

    def _prepared(self) -> bool:
        first = self._card if self._member.index == 0 else self._read(0)
        return first is not None and first.prepared and first.seen == self._card.seen

    def _say_terms(self, cards: dict[int, Announcement | None]) -> None:
        for index, card in cards.items():
            if (
                card is None
                or card.config_fingerprint == self._card.config_fingerprint
                or self._card.token not in card.seen
            ):
                continue
            words = (
                f"process {index} of the set: found {card.config_fingerprint}, expected {self._card.config_fingerprint}"
            )
            if words not in self._said:
                self._said.add(words)
                LOG.warning("%s; it is waited for until all are the same", words)

    def _read(self, index: int) -> Announcement | None:
        try:
            return _CARD.decode(self._path(index).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _write(self, card: Announcement) -> None:
        self._card = card
        path = self._path(self._member.index)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(card))
        unfinished.replace(path)

    def _path(self, index: int) -> Path:
        return self._folder / f"meeting-{index}.json"
