"""Whether the settings of an engine of several processes go together.

In: ``Settings``. Out: (setting, found, expected) for each that does not fit. Addresses without a process's number
are no mistake here: processes share one file of settings, and only those of the engine have a number.
"""

import re
from collections.abc import Iterator
from typing import Final

from config.settings.table import Settings

ClusterDifference = tuple[str, str, str]
"""Setting, found, expected."""

HIGHEST_PORT: Final = 65_535
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


def cluster_differences(settings: Settings) -> Iterator[ClusterDifference]:
    """Everything about the engine's processes that does not fit together."""
    addresses, process_id = settings.engine_addresses, settings.engine_process_id
    for address in addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[1]) <= HIGHEST_PORT:
            yield "engine_addresses", repr(address), "host:port, with a port from 1 to 65535"
    if len(set(addresses)) < len(addresses):
        yield "engine_addresses", "the same address twice", "one of its own for each process"
    if process_id is not None and not addresses:
        yield "engine_process_id", f"{process_id}, without engine_addresses", "the addresses of all processes too"
    elif process_id is not None and process_id >= len(addresses):
        found = f"{process_id}, with {len(addresses)} engine_addresses"
        yield "engine_process_id", found, f"0 to {len(addresses) - 1}"
