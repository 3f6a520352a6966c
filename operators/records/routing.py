"""Where a hint goes, and who may see a customer.

In: a customer, what is known of whose he is, who is on line, the desks there are. Out: one desk or one queue,
the same on every machine. Refused: an empty list of desks (ValueError) when nothing else says where.

A hint goes to the desk that is in contact with the customer, else to the owner, each when on line; else to the queue of
the customer's branch (``queue:general`` where none is known). Of whom nobody has said an owner, a branch or a
region, a desk is drawn by rendezvous hashing: one that leaves gives its customers to the others evenly, one that
joins takes an even share, nobody else moves. So one laptop needs no set-up.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
import xxhash

QUEUE: Final = "queue"
GENERAL: Final = "general"


class Whereabouts(msgspec.Struct, frozen=True):
    """Whose a customer is. ``in_contact``: the desk that talks to him now; ``group``: what others like him ask."""

    owner: str | None = None
    branch: str | None = None
    region: str | None = None
    group: str | None = None
    in_contact: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether anybody has said whose he is."""
        return bool(self.owner or self.branch or self.region)


NOWHERE: Final = Whereabouts()


class Reach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which customers may be seen: those of these branches or regions; everybody's where both are empty."""

    branches: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def allows(self, branch: str | None, region: str | None) -> bool:
        """Whether a customer of there may be seen; of whom nothing is known only by who may see all."""
        return not (self.branches or self.regions) or branch in self.branches or region in self.regions


EVERYBODY: Final = Reach()


def destination(customer_id: str, known: Whereabouts, on_line: Collection[str], desks: Iterable[str]) -> str:
    """The desk, or the queue, that a customer's hint goes to. Raises ValueError as ``desk_of`` does."""
    if known.in_contact and known.in_contact in on_line:
        return known.in_contact
    if not known.is_known:
        return desk_of(customer_id, desks)
    if known.owner and known.owner in on_line:
        return known.owner
    return queue_of(known.branch)


def queue_of(branch: str | None) -> str:
    """The name of a branch's queue: ``queue:BRANCH``, ``queue:general`` for none."""
    return f"{QUEUE}:{branch or GENERAL}"


def is_queue(desk_id: str) -> bool:
    """Whether it names a queue and no desk."""
    return desk_id.startswith(f"{QUEUE}:")


def has_skill(skills: Collection[str] | None, needed: str | None) -> bool:
    """Whether somebody with these skills may take it (None: every skill)."""
    return skills is None or needed is None or needed in skills


def desk_of(customer_id: str, desks: Iterable[str]) -> str:
    """The desk with the highest hash of (desk, customer). Raises ValueError when there is none.

    Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998.
    """
    best = max(((_weight(desk, customer_id), desk) for desk in desks), default=None)
    if best is None:
        message = "desks: found an empty list, expected at least one desk id; name one in the setting `desks`"
        raise ValueError(message)
    return best[1]


def _weight(desk: str, customer_id: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{desk}\0{customer_id}".encode("utf-8", "surrogatepass"))
