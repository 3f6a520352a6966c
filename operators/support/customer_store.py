"""What a decision remembers of a shard's customers: a row each, and which rows have changed since the last snapshot.

In: changes to ``_customers`` by the decision that is built on this, and ``_mark`` for each customer changed.
Out: packs for the journal. Refused: nothing; whoever restores refuses what is not of his format.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from operators.support.snapshot_codec import ALL, pop_up_to

Row = TypeVar("Row", bound=msgspec.Struct)


class StoredFormat(msgspec.Struct, array_like=True, gc=False):
    """A head that holds nothing but the format's name."""

    format: str


class CustomerStore(Generic[Row]):
    """Rows by customer. ``empty(customer_id)``: what stands for a forgotten one in a pack.

    ``stored_format``: its name; ``keeps_changes``: whether what changes is noted for ``changes``.
    ``_wakes``: a heap of when to look at whom again.
    """

    def __init__(self, stored_format: str, empty: Callable[[str], Row], *, keeps_changes: bool) -> None:
        self._stored_format = stored_format
        self._empty = empty
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()
        self._customers: dict[str, Row] = {}
        self._wakes: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._customers)

    @property
    def next_due_ms(self) -> int | None:
        """When time alone has something to do; None: nothing waits."""
        return self._wakes[0][0] if self._wakes else None

    def head(self) -> bytes:
        """Nothing beside the customers but the format's name."""
        return msgspec.msgpack.encode(StoredFormat(self._stored_format))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many customers may have changed since the last call, and they packed; an empty row is forgotten."""
        rows = [
            self._customers.get(customer_id) or self._empty(customer_id)
            for customer_id in pop_up_to(self._changed, most)
        ]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """All customers remembered now."""
        return list(self._customers)

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        return msgspec.msgpack.encode([self._customers[key] for key in keys if key in self._customers])

    def _mark(self, customer_id: str) -> None:
        """The customer may have changed."""
        if self._keeps_changes:
            self._changed.add(customer_id)
