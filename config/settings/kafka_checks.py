"""Whether the settings of Kafka go together.

In: ``Settings``. Out: (setting, found, expected) for each that does not fit; options are secrets and are
not repeated. Options on which a promise of the bus rests are refused: they are ours to set.
"""

import re
from collections.abc import Iterator
from typing import Final

from config.settings.table import Settings

KafkaDifference = tuple[str, str, str]
"""Setting, found, expected."""

TOPICS: Final = ("kafka_topic", "kafka_facts_topic", "kafka_hints_topic", "kafka_dead_letters_topic")
OWN_OPTIONS: Final = frozenset(
    {
        "acks",
        "auto.commit.enable",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "metadata.broker.list",
        "message.timeout.ms",
        "queue.buffering.max.messages",
        "request.required.acks",
        "transactional.id",
    }
)
"""What order, 'kept' and the position of resumption rest on, or what has a setting of its own."""

_SERVER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]+")
_OPTION: Final = re.compile(r"([a-z][a-z0-9.]*)=(?:\S(?:[^\r\n\0]*[^\s\\])?)?")


def kafka_differences(settings: Settings) -> Iterator[KafkaDifference]:
    """Everything about Kafka that does not fit together."""
    if settings.bus == "kafka" and not settings.kafka_servers:
        yield "kafka_servers", "none, with bus kafka", "at least one host:port"
    for server in settings.kafka_servers:
        if not _SERVER.fullmatch(server):
            yield "kafka_servers", repr(server), "host:port"
    yield from _topics(settings)
    for index, option in enumerate(settings.kafka_options, start=1):
        yield from _option(index, option)


def _topics(settings: Settings) -> Iterator[KafkaDifference]:
    taken: dict[str, str] = {}
    for name in TOPICS:
        topic: str = getattr(settings, name)
        if not _TOPIC.fullmatch(topic):
            yield name, repr(topic), "letters, digits, dots, dashes and underscores"
        elif topic in taken:
            yield name, f"{topic}, which is {taken[topic]} already", "a topic of its own"
        taken.setdefault(topic, name)


def _option(index: int, option: str) -> Iterator[KafkaDifference]:
    match = _OPTION.fullmatch(option)
    if match is None:
        yield (
            "kafka_options",
            f"something else as option {index}",
            "name=value, on one line, not ending with a backslash",
        )
    elif match[1] in OWN_OPTIONS:
        yield "kafka_options", match[1], "an option that Zhiyin does not set itself"
