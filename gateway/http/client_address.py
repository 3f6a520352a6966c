"""From which address somebody asks, when there may be proxies in between.

In: the address at the other end of the connection, the ``X-Forwarded-For`` it sent, and the proxies we trust.
Out: the nearest address that is no proxy of ours. Refused: nothing; what an address nobody trusts says of others
is not believed.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """Addresses and networks (``10.0.0.0/8``) of proxies. Raises ValueError."""

    def __init__(self, proxies: Sequence[str]) -> None:
        self._networks: list[Network] = [ip_network(proxy, strict=False) for proxy in proxies]

    def trusts(self, address: str | None) -> bool:
        """Whether ``address`` is one of them (None: a Unix socket, which only this machine can open)."""
        if address is None:
            return True
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def client(self, peer: str | None, forwarded_for: str | None) -> str | None:
        """Who asks; None: a proxy of ours itself, or this machine."""
        if not self.trusts(peer):
            return peer
        for part in reversed((forwarded_for or "").split(",")):
            address = part.strip()
            if address and not self.trusts(address):
                return address[:64]
        return None
