"""The table of settings: type, limits, default and one sentence of each, in one record.

Read by ``config.settings.load``, which fills it, and by ``config.reference``, which prints it.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

SECRET: Final = frozenset(
    (
        *("token_secret", "write_keys", "write_key_scopes", "mask_key"),
        *("redis_url", "kafka_options", "chatbot_redis_password"),
    )
)
"""Settings whose values are never shown."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
ProcessId = Annotated[int, Meta(ge=0, le=1_023)]
Topic = Annotated[str, Meta(min_length=1, max_length=249)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. The annotations are the table: type, limits, default, one sentence."""

    redis_url: Annotated[
        str | None, Meta(description="Redis to use, redis:// rediss:// or unix://; without it one is started here.")
    ] = None
    state_dir: Annotated[
        str,
        Meta(min_length=1, description="Folder for what outlives a process: the embedded Redis, the engine's state."),
    ] = "var"
    recovery_dir: Annotated[
        str | None,
        Meta(
            description="Folder of the engine's snapshots, the same for all its processes; "
            "without it `recovery` in state_dir.",
        ),
    ] = None
    models_every_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="Seconds between savings of what has been learnt, in state_dir/models."),
    ] = 300
    models_kept: Annotated[
        int, Meta(ge=1, le=1_000, description="Versions of a journey's models that are kept, and the pinned one.")
    ] = 20
    host: Annotated[str, Meta(min_length=1, description="Address the collector, pages and desks listen on.")] = (
        "127.0.0.1"
    )
    http_port: Annotated[Port, Meta(description="Port of the collector, API and pages; 0 is any free one.")] = 8080
    ws_port: Annotated[Port, Meta(description="Port of the desk websocket; 0 is any free one.")] = 8081
    gateway_metrics_port: Annotated[
        Port, Meta(description="Internal port of the gateway's metrics; 0 is any free one.")
    ] = 9101
    engine_metrics_port: Annotated[
        Port, Meta(description="Internal port of the engine's metrics; 0 is any free one.")
    ] = 9102
    bus: Annotated[
        Literal["redis", "kafka"],
        Meta(description="Where events wait for the engine: Redis streams, or a Kafka topic."),
    ] = "redis"
    bus_partitions: Annotated[
        int, Meta(ge=1, le=256, description="Partitions of the bus; fixed for the life of its data.")
    ] = 4
    bus_max_events: Annotated[
        int,
        Meta(
            ge=100,
            le=100_000_000,
            description="Events that may wait before the collector answers 503: in a partition on Redis, "
            "or not yet with the broker.",
        ),
    ] = 250_000
    kafka_servers: Annotated[
        tuple[str, ...], Meta(description="Kafka brokers to ask first, each host:port; needed when bus is kafka.")
    ] = ()
    kafka_topic: Annotated[
        Topic, Meta(description="Topic of the events; it has bus_partitions partitions, and is made when missing.")
    ] = "zhiyin.events"
    kafka_facts_topic: Annotated[Topic, Meta(description="Topic that facts are told on.")] = "zhiyin.facts"
    kafka_hints_topic: Annotated[Topic, Meta(description="Topic that hints are told on.")] = "zhiyin.hints"
    kafka_dead_letters_topic: Annotated[Topic, Meta(description="Topic of events that could not be taken.")] = (
        "zhiyin.dead-letters"
    )
    kafka_group: Annotated[
        str, Meta(min_length=1, max_length=249, description="Consumer group under which tools see the engine's lag.")
    ] = "zhiyin-engine"
    kafka_replication: Annotated[
        int, Meta(ge=1, le=100, description="Brokers that keep a copy of each topic made here.")
    ] = 1
    kafka_retention_days: Annotated[
        float | None,
        Meta(description="Days that topics made here keep messages; without it as the broker does."),
    ] = None
    kafka_options: Annotated[
        tuple[str, ...], Meta(description="More of librdkafka's options, each name=value: TLS, SASL, sizes, timeouts.")
    ] = ()
    shards: Annotated[
        int, Meta(ge=1, le=4096, description="Shards of customers in the engine; a multiple of bus_partitions.")
    ] = 32
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Worker threads of the engine, the same in each of its processes.")
    ] = 1
    engine_addresses: Annotated[
        tuple[str, ...],
        Meta(description="Where the engine's processes reach one another, each host:port; without them there is one."),
    ] = ()
    engine_process_id: Annotated[
        ProcessId | None, Meta(description="Which of engine_addresses this process is, counted from 0.")
    ] = None
    poll_events: Annotated[
        int, Meta(ge=1, le=100_000, description="Events the engine takes from a partition at a time.")
    ] = 1_000
    poll_interval_ms: Annotated[
        int, Meta(ge=1, le=10_000, description="Pause in milliseconds after a poll that brought nothing.")
    ] = 5
    tick_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="How often, in milliseconds, an idle source lets event time go on.")
    ] = 100
    epoch_ms: Annotated[
        int,
        Meta(ge=10, le=600_000, description="How often, in milliseconds, the engine makes a snapshot of its state."),
    ] = 5_000
    write_keys: Annotated[
        tuple[str, ...], Meta(description="Keys that senders of events must show; `up` makes one when there is none.")
    ] = ()
    token_secret: Annotated[
        str,
        Meta(description="Secret that signs the tokens of desks and chatbots, 32 characters or more; `up` makes one."),
    ] = ""
    token_lifetime_s: Annotated[
        int, Meta(ge=1, le=31_536_000, description="Seconds a token made by `up` is valid.")
    ] = 43_200
    desks: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Names of the desks that hints are shared out to.")
    ] = ("desk-1",)
    allowed_origins: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Origins whose pages may send events; * is any.")
    ] = ("*",)
    desk_origins: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Origins whose pages may open desks and ask the API; self is pages of this host, * any.",
        ),
    ] = ("self",)
    token_keys: Annotated[
        str | None,
        Meta(description="Key set (JWKS, a file or URL) of whoever else signs tokens, with RS256; without it nobody."),
    ] = None
    token_issuer: Annotated[str | None, Meta(description="What tokens must say in `iss`; without it anything.")] = None
    token_audience: Annotated[str | None, Meta(description="What tokens must hold in `aud`; without it anything.")] = (
        None
    )
    write_key_scopes: Annotated[
        tuple[str, ...],
        Meta(
            description="What a write key may send, each KEY;events=A|B;journeys=C|D;origins=E|F;events_per_s=N; "
            "a key without a line may send all."
        ),
    ] = ()
    keep_properties: Annotated[
        Literal["known", "all"],
        Meta(description="What the collector puts on the bus of an event: the fields that are read, or all."),
    ] = "known"
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses and networks of proxies whose X-Forwarded-For is believed; limits spare them."),
    ] = ("127.0.0.0/8", "::1")
    address_requests_per_s: Annotated[
        float, Meta(ge=0, description="Requests and connections a second from one address; 0 is no limit.")
    ] = 300
    token_requests_per_s: Annotated[
        float, Meta(ge=0, description="Requests a second with tokens of one subject; 0 is no limit.")
    ] = 100
    write_key_events_per_s: Annotated[
        float, Meta(ge=0, description="Events a second with one write key, unless its scope says; 0 is no limit.")
    ] = 0
    mask_key: Annotated[
        str,
        Meta(description="Secret that masks customers in logs and in the audit trail; without it the token_secret."),
    ] = ""
    audit_retention_days: Annotated[
        float, Meta(gt=0, le=3_650, description="Days the audit trail of hint views is kept.")
    ] = 180
    facts_retention_days: Annotated[float, Meta(gt=0, le=3_650, description="Days facts are kept in Redis.")] = 30
    dead_letters_retention_days: Annotated[
        float, Meta(gt=0, le=3_650, description="Days dead letters are kept in Redis.")
    ] = 30
    channels_retention_days: Annotated[
        float, Meta(gt=0, le=365, description="Days what desks and bots were told is kept in Redis.")
    ] = 7
    catalogue: Annotated[
        str, Meta(min_length=1, description="The journey catalogue: a YAML file or a folder of them.")
    ] = "config/catalog"
    demo_page: Annotated[
        bool, Meta(description="Whether /demo is served, a form page that hands a write key to whoever opens it.")
    ] = False
    speed: Annotated[
        float,
        Meta(gt=0, le=100_000, description="Divides the catalogue's waiting times, for demos and recorded streams."),
    ] = 1.0
    quiet_hours: Annotated[bool, Meta(description="Whether the catalogue's quiet hours hold.")] = True
    max_future_s: Annotated[
        int, Meta(ge=0, le=86_400, description="Seconds an event's time may lie ahead of its arrival.")
    ] = 60
    duplicate_memory_s: Annotated[
        int, Meta(ge=600, le=604_800, description="Seconds of event time a customer's message ids are remembered.")
    ] = 600
    policies_retention_days: Annotated[
        float, Meta(gt=0, le=3_650, description="Days a policy is remembered after the last word of it.")
    ] = 800
    away_after_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds an owner may be off line before his hints go to the queue.")
    ] = 60
    questions_half_life_s: Annotated[
        float, Meta(ge=60, le=31_536_000, description="Seconds after which a question asked counts half.")
    ] = 21_600
    chatbot_redis_password: Annotated[
        Annotated[str, Meta(min_length=16)] | None,
        Meta(
            description="Password of the Redis user `chatbot`, who may read hints and hot questions and nothing else; "
            "the embedded Redis has that user when this is set.",
        ),
    ] = None
    desk_queue_frames: Annotated[
        int, Meta(ge=8, le=100_000, description="Frames that may wait for a slow desk before it is closed.")
    ] = 256
    ping_interval_s: Annotated[float, Meta(gt=0, le=3_600, description="Seconds between pings to a desk.")] = 25
    chatbot_hook_url: Annotated[
        str | None,
        Meta(description="Where a bot is told to speak first, http:// or https://; without it nobody is told."),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="How much the processes write to their logs.")
    ] = "info"

    def __repr__(self) -> str:
        shown_fields = (f"{name}={displayed(name, getattr(self, name))}" for name in self.__struct_fields__)
        return f"Settings({', '.join(shown_fields)})"


def displayed(setting: str, value: object) -> str:
    """``value`` for logs and messages; secrets only say whether they are set."""
    return "(set, not shown)" if setting in SECRET and value else repr(value)
