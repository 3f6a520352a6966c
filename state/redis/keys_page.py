"""``docs/reference/redis-keys.md``, made from the table of keys: ``python -m state.redis.keys_page`` prints it."""

import sys
from typing import Final

from state.redis.keys import TABLE

INTRODUCTION: Final = """\
# Redis keys

<!-- Made by `python -m state.redis.keys_page`; change that module or state/redis/keys.py, not this page. -->

Everything Zhiyin remembers between processes, one row a kind of key. `{}` stands for an id. Redis 6.2 or newer, one
database, no cluster: a change of a hint touches several keys in one script. Only `zy:hint:{}` and `zy:hot:{}` are meant
to be read by others; the rest may change with a line in the CHANGELOG.

"""

READING: Final = """
## For chatbots

`GET zy:hint:CUSTOMER` gives nothing, or one JSON document:

```json
{"customer_id": "CUSTOMER", "hints": [{"hint_id": "...", "text": {"zh": "...", "en": "..."}, "expires_at": "..."}]}
```

`hints` holds the customer's open hints for chatbots, best first (priority, then the newest), at most three. The key
lives as long as the last of them: when there are several, look at `expires_at` of each. A hint that is retired, used
or dismissed anywhere is gone from the document in the same moment.

`GET zy:hot:all` (or `zy:hot:journey:NAME`, `zy:hot:group:NAME`) gives what a group of customers asks, hottest first:

```json
{"group": "all", "questions": [{"question_id": "...", "text": {"zh": "...", "en": "..."}, "score": 1.5}], "at": "..."}
```

Give the bot a user that can read these and nothing else. The embedded Redis has the user `chatbot` when
`chatbot_redis_password` is set. For one of your own there is `deploy/redis/users.acl` (`aclfile`), with that user
turned off until you give it a password; or tell a Redis that runs:

```
ACL SETUSER chatbot on >PASSWORD resetchannels ~zy:hint:* ~zy:hot:* -@all +get +mget +pttl +ping
```

## Channels

A channel is a stream whose ids are `OFFSET-0`, offsets 1, 2, 3 ... without gaps; field `e` is a CloudEvent (JSON).
`desk:ID` carries all that happens to the desk's hints: `zhiyin.hint.created`, `.shown`, `.used`, `.dismissed` and
`.retired`. `chatbot` carries `zhiyin.hint.created` when a bot may speak first, and `zhiyin.hint.retired` for every
hint a chatbot could look up. The newest 10,000 events are kept. A reader that comes back with another epoch, an offset
beyond the last, or one before the oldest kept has missed something: start again from the hints that are open now.

## The bus

Entries of `zy:bus:PARTITION` (CRC-32 of the customer id in UTF-8, modulo `bus_partitions`) have ids made by Redis:
the part before the `-` is the time of arrival. An entry is let go once the engine has said that it holds it
(`zy:bus:PARTITION:taken`), never earlier; a partition that holds `bus_max_events` takes no more, and the collector
answers 503 with `Retry-After`.

## Persistence

Run Redis with `appendonly yes` and `maxmemory-policy noeviction`. When it is out of memory or disk, Zhiyin says so,
takes no events, and goes on by itself once there is room.
"""


def redis_keys_page() -> str:
    """The whole page, Markdown."""
    rows = [f"| `{key.pattern}` | {key.type} | {key.holds} | {key.ends} |" for key in TABLE]
    return INTRODUCTION + "\n".join(("| key | type | holds | ends |", "|---|---|---|---|", *rows)) + "\n" + READING


if __name__ == "__main__":
    sys.stdout.write(redis_keys_page())
