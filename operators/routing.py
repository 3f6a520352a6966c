"""Which desk serves a customer: rendezvous hashing, so that few customers move when desks change.

In: a customer and the desks there are. Out: one desk, the same on every machine and in every
process, whatever order the desks are listed in. Refused: an empty list of desks (ValueError).
A desk that leaves gives its customers to the others evenly; one that joins takes an even share;
nobody else moves.
"""

from collections.abc import Iterable

import xxhash


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
