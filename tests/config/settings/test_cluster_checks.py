"""The settings of an engine of several processes: what goes together."""

import msgspec
import pytest

from config import Settings, load_settings
from config.settings.cluster_checks import cluster_differences

GOOD = Settings(engine_addresses=("engine-0:2101", "10.0.0.2:2101", "[::1]:2101"), engine_process_id=2)


def differences(**settings: object) -> list[str]:
    return [
        f"{name}: {found} | {expected}"
        for name, found, expected in cluster_differences(msgspec.structs.replace(GOOD, **settings))
    ]


def test_what_goes_together_is_left_alone() -> None:
    assert differences() == []
    assert differences(engine_process_id=None) == []
    assert list(cluster_differences(Settings())) == []


@pytest.mark.parametrize("address", ["", "engine", ":2101", "engine:0", "engine:65536", "engine:port", "http://a:1"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert differences(engine_addresses=("a:1", address), engine_process_id=0) == [
        f"engine_addresses: {address!r} | host:port, with a port from 1 to 65535"
    ]


def test_each_process_has_an_address_of_its_own() -> None:
    assert differences(engine_addresses=("a:1", "a:1"), engine_process_id=0) == [
        "engine_addresses: the same address twice | one of its own for each process"
    ]


def test_a_process_is_one_of_the_addresses() -> None:
    assert differences(engine_process_id=3) == ["engine_process_id: 3, with 3 engine_addresses | 0 to 2"]
    assert differences(engine_addresses=()) == [
        "engine_process_id: 2, without engine_addresses | the addresses of all processes too"
    ]


def test_they_come_from_the_environment_like_any_other() -> None:
    environment = {"ZHIYIN_ENGINE_ADDRESSES": "a:1, b:2", "ZHIYIN_ENGINE_PROCESS_ID": "1"}
    settings = load_settings(environment)
    assert (settings.engine_addresses, settings.engine_process_id) == (("a:1", "b:2"), 1)
