"""One process of a set of engines that share the work, and what becomes of it when the others go.

In: its number and everybody's addresses. Refused: an address that cannot be listened on (``AddressUnusable``);
a set that has lost a process cannot go on (``MemberLost``): all end, and start again together.
"""

import socket

import msgspec


class Member(msgspec.Struct, frozen=True):
    """Process ``index`` (from 0) of those at ``addresses`` (host:port each); without addresses it is alone."""

    index: int = 0
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "an engine alone" if not self.addresses else f"process {self.index} of a set of {self.size}"

    @property
    def size(self) -> int:
        """How many processes there are."""
        return max(1, len(self.addresses))

    @property
    def others(self) -> tuple[str, ...]:
        """Where the others are."""
        return self.addresses[: self.index] + self.addresses[self.index + 1 :]

    def check_address(self) -> None:
        """Whether it can listen where the others will look for it. Raises AddressUnusable."""
        host, _, port = self.addresses[self.index].rpartition(":")
        try:
            family, *_, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen()
        except OSError as error:
            raise AddressUnusable(self, error.strerror or str(error)) from error


class AddressUnusable(Exception):
    """This process can't listen on its own address. ``reason``: what the system said."""

    def __init__(self, member: Member, reason: str) -> None:
        self.member = member
        self.address = member.addresses[member.index]
        self.reason = reason
        super().__init__(
            f"{member}: can't listen on {self.address} ({reason}), expected a free address of this machine; "
            f"stop what holds it, or see that -i {member.index} and -a belong to this machine"
        )


class MemberLost(Exception):
    """Another process of the set has gone, or cannot be reached any more."""

    def __init__(self, member: Member) -> None:
        self.member = member
        super().__init__(
            f"{member}: another process of the set has ended (one of {', '.join(member.others)}), "
            "so this one ends too; the log of that one says why; "
            "start the whole set again, it goes on from the last snapshot"
        )


class MemberStopped(Exception):
    """Another process of the set was told to stop; all have stopped in order, with their state kept."""

    def __init__(self, member: Member) -> None:
        self.member = member
        super().__init__(
            f"{member}: another process of the set was told to stop, so all have stopped, "
            "with their state kept; start the whole set again"
        )
