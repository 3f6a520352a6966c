"""Every Redis key Zhiyin uses, in one table; nobody else spells a key.

In: ids. Out: key names. The table is what ``docs/reference/redis-keys.md`` prints.
Commands are kept to what Redis 6.2 knows, the oldest server we start.
"""

from typing import Final, NamedTuple

from operators.records.routing import is_queue

PREFIX: Final = "zy"


class RedisKey(NamedTuple):
    """One kind of key: its pattern, Redis type, what it holds, and how it ends."""

    pattern: str
    type: str
    holds: str
    ends: str

    def of(self, name: str | int = "") -> str:
        """The key for one id."""
        return self.pattern.replace("{}", str(name))


BUS: Final = RedisKey(
    "zy:bus:{}",
    "stream",
    "events of one partition: fields k (customer), t (corrected time, epoch ms), e (raw bytes)",
    "trimmed behind what the engine has taken",
)
BUS_TAKEN: Final = RedisKey(
    "zy:bus:{}:taken",
    "string",
    "entry id up to which the engine holds the partition safely",
    "kept",
)
CHATBOT_HINT: Final = RedisKey(
    "zy:hint:{}",
    "string",
    "for one customer, JSON: {customer_id, hints: [best, and up to two more]}",
    "expires with the last of its hints; deleted when none is open",
)
OPEN_HINTS: Final = RedisKey(
    "zy:open:{}",
    "sorted set",
    "ids of one customer's open hints; score: priority x 2^42 + created (epoch ms), so the best is last",
    "expires with the last hint",
)
OPEN_DOCUMENTS: Final = RedisKey(
    "zy:documents:{}",
    "hash",
    "one customer's open hints: id to 'expiry (epoch ms), 1 if for chatbots, JSON'",
    "expires with the last hint",
)
HINT_RECORD: Final = RedisKey(
    "zy:record:{}",
    "hash",
    "one hint: document, state, cause, customer, desk, transaction, surfaces, rank, expires_at_ms; unspoken (the event "
    "a bot has still to be told); stays after the hint so that it is never told twice",
    "one day after the hint expires",
)
CHANNEL: Final = RedisKey(
    "zy:channel:{}",
    "stream",
    "what one desk (desk:ID) or the chatbot is told, ids OFFSET-0, field e (CloudEvent JSON)",
    "newest 10,000 kept, for channels_retention_days",
)
CHANNEL_EPOCH: Final = RedisKey(
    "zy:channel-epoch:{}",
    "string",
    "random name of the channel's life; a new one means start again",
    "kept",
)
CHANNEL_OFFSET: Final = RedisKey(
    "zy:channel-offset:{}",
    "string",
    "the last offset given out in the channel",
    "kept",
)
EXPIRING: Final = RedisKey(
    "zy:expiring",
    "sorted set",
    "ids of all open hints; score: expiry (epoch ms)",
    "members removed as hints end",
)
DESK_OPEN: Final = RedisKey(
    "zy:desk:{}",
    "sorted set",
    "ids of the hints open on one desk; score: expiry (epoch ms)",
    "expired members removed on reading and on telling",
)
BUNDLE: Final = RedisKey(
    "zy:bundle:{}",
    "hash",
    "what the agent in contact with a customer was told: id, agent (the desk in contact), document; struggling since",
    "deleted when the contact ends; an hour after it began at the latest",
)
DESK_BUNDLES: Final = RedisKey(
    "zy:desk-bundles:{}",
    "sorted set",
    "customers one desk is in contact with; score: until when (epoch ms)",
    "expired members removed on telling; kept while there are any",
)
BELONGS: Final = RedisKey(
    "zy:customer:{}",
    "hash",
    "whose a customer is: owner, branch, region, group, as traits or policies last said",
    "policy_retention_days after it last changed",
)
PRESENCE: Final = RedisKey(
    "zy:presence:{}",
    "string",
    "one desk that is on line, JSON: {desk_id, skills, branch, region}",
    "15 s after the desk was last heard of",
)
ON_LINE: Final = RedisKey(
    "zy:on-line",
    "sorted set",
    "desks that are on line; score: until when, unless they are heard of again (epoch ms)",
    "expired members removed on reading",
)
AWAITED: Final = RedisKey(
    "zy:awaited",
    "sorted set",
    "ids of hints at their owner's desk; score: when to see whether the owner is still there (epoch ms)",
    "removed when the hint is over or elsewhere",
)
HOT: Final = RedisKey(
    "zy:hot:{}",
    "string",
    "what one group of customers asks (all, journey:NAME, group:NAME), JSON: {group, questions: [hottest first], at}",
    "eight half-lives (questions_half_life_s) after its last question",
)
FACTS: Final = RedisKey(
    "zy:facts",
    "stream",
    "public facts and hints as CloudEvents for other systems, field e",
    "newest 100,000 kept, for facts_retention_days",
)
TOLD: Final = RedisKey(
    "zy:told:{}",
    "string",
    "the fact or dead letter of this id has been written",
    "one day",
)
DEAD_LETTERS: Final = RedisKey(
    "zy:dead-letters",
    "stream",
    "events that could not be taken, field e",
    "newest 100,000 kept, for dead_letters_retention_days",
)
AUDIT: Final = RedisKey(
    "zy:audit",
    "stream",
    "who saw what of whom: at (epoch ms), who, role, how, the id under hint, bundle or outreach, customer (masked)",
    "audit_retention_days",
)
REDRIVEN: Final = RedisKey(
    "zy:redriven",
    "hash",
    "dead letters that were redriven, wherever they are kept: the letter's id to 'when (epoch ms), its place'",
    "removed by `zhiyin dead-letters redrive` once the letter is gone",
)
OUTREACH: Final = RedisKey(
    "zy:outreach",
    "sorted set",
    "ids of the customers to be called first; score: need in thousandths x 2^42 + break-off (epoch ms), the best last",
    "members removed as entries end",
)
OUTREACH_JOURNEY: Final = RedisKey(
    "zy:outreach:{}",
    "sorted set",
    "the same for one journey",
    "members removed as entries end",
)
OUTREACH_RECORD: Final = RedisKey(
    "zy:call:{}",
    "hash",
    "one entry: document, customer, journey, lease_ms, expires_at_ms, state (open, ended), cause; claimed_by and "
    "claimed_until_ms (a claim whose lease has run out is none); outcome and outcome_at_ms",
    "one day after the entry expires",
)
OUTREACH_CUSTOMER: Final = RedisKey(
    "zy:calls:{}",
    "set",
    "ids of one customer's open entries",
    "with the record of the last one",
)
OUTREACH_VERSION: Final = RedisKey(
    "zy:outreach-version",
    "string",
    "counts the changes of the list: who has seen this number has seen the list",
    "kept",
)
DO_NOT_CALL: Final = RedisKey(
    "zy:do-not-call",
    "set",
    "customers who want no calls",
    "kept until the wish is taken back",
)
JOURNEYS: Final = RedisKey(
    "zy:journeys",
    "hash",
    "journeys that somebody has begun: name to JSON (title, steps, owners), as the engine's catalogue has them",
    "kept",
)
JOURNEY_MAP: Final = RedisKey(
    "zy:map:{}",
    "hash",
    "one journey's map: 'length:beginning' of a pane (ms) to its counts and sketches (msgpack); newest (epoch ms)",
    "panes removed after 28 days of event time",
)
PAIN_POINTS: Final = RedisKey(
    "zy:pain-points",
    "hash",
    "pain points, at most one a step: id to JSON",
    "kept",
)

TABLE: Final = (
    BUS,
    BUS_TAKEN,
    CHATBOT_HINT,
    OPEN_HINTS,
    OPEN_DOCUMENTS,
    HINT_RECORD,
    CHANNEL,
    CHANNEL_EPOCH,
    CHANNEL_OFFSET,
    EXPIRING,
    DESK_OPEN,
    BUNDLE,
    DESK_BUNDLES,
    BELONGS,
    PRESENCE,
    ON_LINE,
    AWAITED,
    HOT,
    FACTS,
    TOLD,
    DEAD_LETTERS,
    AUDIT,
    REDRIVEN,
    OUTREACH,
    OUTREACH_JOURNEY,
    OUTREACH_RECORD,
    OUTREACH_CUSTOMER,
    OUTREACH_VERSION,
    DO_NOT_CALL,
    JOURNEYS,
    JOURNEY_MAP,
    PAIN_POINTS,
)

CHATBOT_CHANNEL: Final = "chatbot"


def desk_channel(desk_id: str) -> str:
    """The name of one desk's channel; a queue is a channel of its own (``queue:BRANCH``)."""
    return desk_id if is_queue(desk_id) else f"desk:{desk_id}"
