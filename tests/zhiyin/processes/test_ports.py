import socket
from contextlib import ExitStack

import pytest

from zhiyin.console.errors import PortTaken
from zhiyin.processes.ports import chosen_ports, free_ports, held_ports, why_taken

HOST = "127.0.0.1"


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(HOST, 8)
    assert len(set(ports)) == 8
    assert [why_taken(HOST, port) for port in ports] == [None] * 8


def test_a_port_somebody_listens_on_is_taken_and_one_that_was_closed_is_not() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert why_taken(HOST, port) == "Address already in use"
    assert why_taken(HOST, port) is None


def test_a_port_that_is_held_is_for_who_names_it_and_for_nobody_who_asks_for_any() -> None:
    with ExitStack() as held, ExitStack() as others:
        ports = set(held_ports(HOST, 200, held))
        given = {others.enter_context(socket.create_server((HOST, 0))).getsockname()[1] for _ in range(2_000)}
        assert not ports & given
        for port in ports:
            others.enter_context(socket.create_server((HOST, port)))


def test_zeros_become_numbers_and_numbers_stay() -> None:
    fixed = free_ports(HOST, 1)[0]
    with ExitStack() as held:
        chosen = chosen_ports(HOST, {"http_port": fixed, "ws_port": 0, "redis": 0}, held)
    assert chosen["http_port"] == fixed
    assert len({*chosen.values()}) == 3


def test_every_taken_port_is_named_at_once() -> None:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        first, second = one.getsockname()[1], two.getsockname()[1]
        with ExitStack() as held, pytest.raises(PortTaken) as raised:
            chosen_ports(HOST, {"http_port": first, "ws_port": second, "redis": 0}, held)
    assert str(raised.value) == (
        f"ports on {HOST}: http_port {first}: Address already in use; ws_port {second}: Address already in use; "
        "expected free ones: stop what listens there, set other numbers (docs/reference/settings.md), "
        "or use --port 0 for free ports"
    )
    assert raised.value.ports[0] == ("http_port", first, "Address already in use")


def test_a_host_that_is_not_ours_is_said() -> None:
    with ExitStack() as held, pytest.raises(PortTaken, match="http_port 8080: Cannot assign requested address"):
        chosen_ports("192.0.2.1", {"http_port": 8080}, held)
