"""Do the settings go together? What their types and limits can't say.

In: ``Settings``. Out: (setting, found, expected) for each that does not fit; secrets are not repeated.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from config.settings.cluster_checks import cluster_differences
from config.settings.kafka_checks import kafka_differences
from config.settings.table import Settings
from config.settings.write_key_scopes import ScopeUnreadable, read_scope

SettingDifference = tuple[str, str, str]
"""Setting, found, expected."""

SHORTEST_SECRET: Final = 32
REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY: Final = re.compile(r"[!-+\--9;-~]{1,200}")
_ORIGIN: Final = re.compile(r"\*|https?://[^/\s,]+")


def settings_differences(settings: Settings) -> Iterator[SettingDifference]:
    """Everything in ``settings`` that does not fit together."""
    for check in _CHECKS:
        yield from check(settings)


def _shards(settings: Settings) -> Iterator[SettingDifference]:
    if settings.shards % settings.bus_partitions:
        found = f"{settings.shards}, with bus_partitions {settings.bus_partitions}"
        yield "shards", found, "a multiple of bus_partitions"


def _ports(settings: Settings) -> Iterator[SettingDifference]:
    taken: dict[int, str] = {}
    for name in ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port"):
        port: int = getattr(settings, name)
        if port and port in taken:
            yield name, f"{port}, which is {taken[port]} already", "a port of its own, or 0"
        taken.setdefault(port, name)


def _urls(settings: Settings) -> Iterator[SettingDifference]:
    if settings.redis_url is not None and _scheme(settings.redis_url) not in REDIS_SCHEMES:
        yield "redis_url", "an address that is not shown", "redis://..., rediss://... or unix://..."
    if settings.chatbot_hook_url is not None and _scheme(settings.chatbot_hook_url) not in {"http", "https"}:
        yield "chatbot_hook_url", repr(settings.chatbot_hook_url), "http://... or https://..."


def _scheme(url: str) -> str | None:
    """The scheme of a whole address; None when it names no host or path."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.scheme if parts.hostname or (parts.scheme == "unix" and parts.path) else None


def _secrets(settings: Settings) -> Iterator[SettingDifference]:
    if settings.token_secret and len(settings.token_secret) < SHORTEST_SECRET:
        found = f"a secret of {len(settings.token_secret)} characters"
        yield "token_secret", found, f"{SHORTEST_SECRET} characters or more"
    for index, key in enumerate(settings.write_keys, start=1):
        if not _KEY.fullmatch(key):
            yield (
                "write_keys",
                f"something else as key {index}",
                "1 to 200 ASCII characters without colon, comma or space",
            )


def _names(settings: Settings) -> Iterator[SettingDifference]:
    for desk in settings.desks:
        if not _NAME.fullmatch(desk):
            yield "desks", repr(desk), "names of 1 to 64 letters, digits, dots, dashes or underscores"
    if len(set(settings.desks)) < len(settings.desks):
        yield "desks", "the same name twice", "each desk once"


def _from_where(settings: Settings) -> Iterator[SettingDifference]:
    for origin in settings.allowed_origins:
        if not _ORIGIN.fullmatch(origin):
            yield "allowed_origins", repr(origin), "* or an origin such as https://www.example.com"
    for origin in settings.desk_origins:
        if origin != "self" and not _ORIGIN.fullmatch(origin):
            yield "desk_origins", repr(origin), "self, * or an origin such as https://crm.example.com"
    for proxy in settings.trusted_proxies:
        if not _is_network(proxy):
            yield "trusted_proxies", repr(proxy), "an address or a network such as 10.0.0.0/8"


def _scopes(settings: Settings) -> Iterator[SettingDifference]:
    for index, line in enumerate(settings.write_key_scopes, start=1):
        try:
            scope = read_scope(line)
        except ScopeUnreadable as error:
            yield "write_key_scopes", f"{error.found} in line {index}", error.expected
        else:
            if scope.key not in settings.write_keys:
                yield "write_key_scopes", f"another key in line {index}", "one of write_keys"


def _kept(settings: Settings) -> Iterator[SettingDifference]:
    if settings.kafka_retention_days is not None and settings.kafka_retention_days <= 0:
        yield "kafka_retention_days", f"{settings.kafka_retention_days:g}", "more than 0"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


_CHECKS: Final[tuple[Callable[[Settings], Iterator[SettingDifference]], ...]] = (
    _shards,
    _ports,
    _urls,
    _secrets,
    _names,
    _from_where,
    _scopes,
    _kept,
    kafka_differences,
    cluster_differences,
)
