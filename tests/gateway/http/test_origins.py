import pytest

from gateway.http.client_address import TrustedProxies
from gateway.http.origins import may_ask


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "expected"),
    [
        (None, "zhiyin.example", ("self",), True),
        ("http://zhiyin.example:8080", "zhiyin.example:8081", ("self",), True),
        ("https://zhiyin.example", "zhiyin.example", ("self",), True),
        ("http://[::1]:8080", "[::1]:8081", ("self",), True),
        ("https://evil.example", "zhiyin.example", ("self",), False),
        ("https://zhiyin.example.evil.example", "zhiyin.example", ("self",), False),
        ("null", "zhiyin.example", ("self",), False),
        ("null", None, ("self",), False),
        ("", "", ("self",), False),
        ("http://[", "zhiyin.example", ("self",), False),
        ("https://crm.example", "zhiyin.example", ("self", "https://crm.example"), True),
        ("http://crm.example", "zhiyin.example", ("https://crm.example",), False),
        ("http://zhiyin.example", "zhiyin.example", ("https://crm.example",), False),
        ("null", "zhiyin.example", ("*",), True),
    ],
)
def test_whose_pages_may_ask(origin: str | None, host: str | None, allowed: tuple[str, ...], expected: bool) -> None:
    assert may_ask(origin, host, allowed) is expected


PROXIES = TrustedProxies(("127.0.0.1", "10.0.0.0/8", "::1"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", None, None),
        ("10.2.3.4", "198.51.100.1", "198.51.100.1"),
        ("10.2.3.4", "198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("10.2.3.4", "10.1.1.1", None),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("10.2.3.4", "not an address", "not an address"),
        ("10.2.3.4", " , ,", None),
        (None, None, None),
    ],
)
def test_who_asks_behind_proxies(peer: str | None, forwarded_for: str | None, client: str | None) -> None:
    assert PROXIES.client(peer, forwarded_for) == client
