"""TCP ports: which are taken, and free ones to give away.

In: a host and ports by setting name. Out: numbers. Refused: ports we could not listen
on (``PortTaken`` names every one at once, and why).

A port is held by a socket that is bound to it and does not listen: the kernel gives it to nobody who asks for any free
one, and whoever names it, as our parts do, can listen on it.
"""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

from zhiyin.console.errors import PortTaken


def free_ports(host: str, count: int) -> list[int]:
    """``count`` different ports that are free now; another process may take one before it is used."""
    with ExitStack() as held:
        return held_ports(host, count, held)


def held_ports(host: str, count: int, held: ExitStack) -> list[int]:
    """``count`` different free ports that no other process is given before ``held`` is closed."""
    sockets = [held.enter_context(_bound(host, 0)) for _ in range(count)]
    return [int(opened.getsockname()[1]) for opened in sockets]


def chosen_ports(host: str, wanted: Mapping[str, int], held: ExitStack) -> dict[str, int]:
    """``wanted`` with a free number, held in ``held``, in place of every 0. Raises PortTaken."""
    checked = [(name, port, why_taken(host, port)) for name, port in wanted.items()]
    taken = [(name, port, why) for name, port, why in checked if why is not None]
    if taken:
        raise PortTaken(host, taken)
    open_names = [name for name, port in wanted.items() if port == 0]
    return {**wanted, **dict(zip(open_names, held_ports(host, len(open_names), held), strict=True))}


def why_taken(host: str, port: int) -> str | None:
    """Why a server could not listen on ``port`` now (0: on any port), in the system's words; None when it could."""
    try:
        with _bound(host, port) as probe:
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
