"""Where a live engine's outputs go, by the settings: all to Redis, or to Kafka with the desks still behind Redis.

In: settings. Out: the dataflow's sinks, and ``ready``, which does nothing once they can be opened.
Refused: options that librdkafka does not take (``ConfigurationError``).
"""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from config import Settings
from flows.dataflow import Sinks
from flows.live.kafka_sinks import KafkaSinks, Topics
from flows.live.redis_sinks import HintDelivery, RedisSinks
from flows.sinks.output_metrics import OutputMetrics
from flows.sinks.topic_sink import TopicOpening
from flows.steps.bundles import bundle_sink
from flows.steps.monitor import monitor_sink
from flows.steps.outreach import outreach_sink
from flows.steps.questions import question_sink
from state.bus_factory import kafka_connection
from state.contacts.bundles import RedisBundleWriter
from state.contacts.presence import Routes
from state.contacts.questions import RedisQuestionWriter
from state.dead_letters.writer import RedisDeadLetterWriter
from state.facts.stream import RedisFactStream
from state.hints.writer import RedisHintWriter
from state.kafka.producers import TopicProducers
from state.kafka.topic_admin import KafkaTopics, WantedTopic
from state.monitoring.journey_maps import JourneyMapWriter
from state.monitoring.pain_points import PainPointWriter
from state.outreach.writer import OutreachWriter
from state.redis.connections import connect
from state.redis.retry import Retry

DAY_MS: Final = 86_400_000


class LiveSinks(NamedTuple):
    """The ways out, and whether they are there.

    ``ready`` raises StoreUnavailable while it is to be waited for, TopicMismatch or TopicRefused when that won't help.
    """

    sinks: Sinks
    ready: Callable[[], object]


def live_sinks(
    settings: Settings, retry: Retry, counts: OutputMetrics, version: str, begin: Callable[[], None]
) -> LiveSinks:
    """The ways out. ``retry`` makes a call until it gets through; ``begin()`` is called as the dataflow begins."""
    if settings.bus == "redis":
        live = LiveSinks(_redis(settings, retry, counts, version, begin).sinks(), lambda: None)
    else:
        live = _kafka(settings, retry, counts, version, begin)
    outreach = outreach_sink(lambda: OutreachWriter(connect(settings.redis_url or ""), _now_ms), retry, counts)
    bundles = bundle_sink(lambda: _bundle_writer(settings), retry, counts)
    questions = question_sink(lambda: _question_writer(settings), retry)
    monitor = monitor_sink(lambda: _monitor_writers(settings), retry, counts)
    sinks = msgspec.structs.replace(
        live.sinks, outreach=outreach, bundles=bundles, questions=questions, monitor=monitor
    )
    return LiveSinks(sinks, live.ready)


def _monitor_writers(settings: Settings) -> tuple[JourneyMapWriter, PainPointWriter]:
    client = connect(settings.redis_url or "")
    return JourneyMapWriter(client), PainPointWriter(client)


def _routes(settings: Settings) -> Routes:
    return Routes(connect(settings.redis_url or ""), _now_ms, settings.desks, settings.away_after_s * 1000)


def _question_writer(settings: Settings) -> RedisQuestionWriter:
    return RedisQuestionWriter(connect(settings.redis_url or ""), settings.questions_half_life_s * 1000)


def _bundle_writer(settings: Settings) -> RedisBundleWriter:
    keep_ms = round(settings.policies_retention_days * DAY_MS)
    return RedisBundleWriter(connect(settings.redis_url or ""), _now_ms, keep_ms)


def _redis(
    settings: Settings, retry: Retry, counts: OutputMetrics, version: str, begin: Callable[[], None]
) -> RedisSinks:
    def new_writers() -> tuple[RedisFactStream, RedisHintWriter, RedisDeadLetterWriter]:
        begin()
        client = connect(settings.redis_url or "")
        return RedisFactStream(client), RedisHintWriter(client, _now_ms), RedisDeadLetterWriter(client, version)

    return RedisSinks(new_writers, lambda: _routes(settings), retry, counts)


def _kafka(
    settings: Settings, retry: Retry, counts: OutputMetrics, version: str, begin: Callable[[], None]
) -> LiveSinks:
    connection = kafka_connection(settings)
    topics = Topics(settings.kafka_facts_topic, settings.kafka_hints_topic, settings.kafka_dead_letters_topic)
    wanted = [
        WantedTopic(
            getattr(topics, name), settings.bus_partitions, settings.kafka_replication, setting=f"kafka_{name}_topic"
        )
        for name in topics.__struct_fields__
    ]

    def desks() -> HintDelivery:
        return HintDelivery(RedisHintWriter(connect(settings.redis_url or ""), _now_ms), _routes(settings), retry)

    opening = TopicOpening(TopicProducers(connection), settings.bus_partitions, retry, begin)
    sinks = KafkaSinks(opening, topics, desks, counts, version).sinks()
    return LiveSinks(sinks, KafkaTopics(connection, wanted).ensure)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
