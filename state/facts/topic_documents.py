"""Facts, hints and dead letters as messages of their topics: structured CloudEvents, and letters as everywhere.

In: what is to be published. Out: a document with its id and its customer as the key. Refused: what is larger than
``LARGEST_BYTES`` (None) - only something besides the collector can put events on the bus that lead to it.
"""

from typing import Any, Final

import msgspec

from operators.records.dead_letters import DeadLetter, dead_letter_document
from state.facts.stream import PublicItem, event_of
from state.kafka.idempotent_topic import TopicDocument

CLOUD_EVENT: Final = "application/cloudevents+json"
LETTER: Final = "application/json"
LARGEST_BYTES: Final = 900_000
"""Below the megabyte that brokers take of a message unless told otherwise."""

SHOWN_CHARACTERS: Final = 1_000


def public_document(item: PublicItem) -> TopicDocument | None:
    """The CloudEvent of a fact, a new hint or the end of one. None: too large."""
    event = event_of(item)
    return _fitting(TopicDocument(event["id"], item.customer_id, msgspec.json.encode(event)))


def letter_document(letter: DeadLetter, version: str) -> TopicDocument:
    """A dead letter. One that is too large is cut: it says how it began and cannot be redriven."""
    document = dead_letter_document(letter, version)
    whole = TopicDocument(document["id"], letter.customer_id or "", msgspec.json.encode(document))
    return _fitting(whole) or _cut(document)


def _fitting(document: TopicDocument) -> TopicDocument | None:
    return document if len(document.value) + 4 * len(document.key) <= LARGEST_BYTES else None


def _cut(document: dict[str, Any]) -> TopicDocument:
    payload = document["payload"]
    customer_id = payload["customer_id"]
    if customer_id is not None and len(customer_id) > SHOWN_CHARACTERS:
        customer_id = None
    raw = payload["raw"]
    shown = {"customer_id": customer_id, "time": payload["time"], "raw_begins": raw[:SHOWN_CHARACTERS]}
    value = msgspec.json.encode({**document, "payload": {**shown, "raw_characters": len(raw)}})
    return TopicDocument(document["id"], customer_id or "", value)
