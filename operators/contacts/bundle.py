"""The bundle an agent gets as a contact begins, and what it is made of: records and their document.

In: what events tell of contacts, policies and traits, as records. Out: the ``Bundle``, its end, whose customer
somebody is, and the bundle as a dictionary ready to be written as JSON. Refused: nothing.
"""

from typing import Any

import msgspec

from operators.contacts.hot_questions import AnswerRated, QuestionAsked
from operators.contacts.needs import Need
from operators.hints.hint import Hint, hint_document
from operators.records.facts import Fact
from operators.records.policies import Policy, Traits
from operators.records.routing import Whereabouts
from operators.support.timestamps import iso_text


class Attendance(msgspec.Struct, frozen=True):
    """A contact with a customer that began, or ended. ``agent_id``: the desk that talks to him."""

    customer_id: str
    started: bool
    at_ms: int
    channel: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None


class PolicyNews(msgspec.Struct, frozen=True):
    """What a policy is like since ``at_ms``."""

    customer_id: str
    policy: Policy
    at_ms: int


class TraitNews(msgspec.Struct, frozen=True):
    """What was said of whose a customer is."""

    customer_id: str
    traits: Traits
    at_ms: int


class AnswerNews(msgspec.Struct, frozen=True):
    """Whether an answer helped: that of a hint, or of a hot question."""

    customer_id: str
    solved: bool
    at_ms: int
    hint_id: str | None = None
    question_id: str | None = None


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent is told as a contact begins; times in epoch milliseconds.

    ``interruption``: the break-off that is still open; ``struggling``: what goes wrong in a transaction under way;
    ``more``: needs that were left out.
    """

    bundle_id: str
    customer_id: str
    agent_id: str | None
    channel: str | None
    conversation_id: str | None
    at_ms: int
    expires_at_ms: int
    interruption: Hint | None
    struggling: Hint | None
    needs: tuple[Need, ...]
    more: int
    branch: str | None
    region: str | None
    failures: dict[str, int]


class BundleChanged(msgspec.Struct, frozen=True):
    """What the customer struggles with while the contact lasts (None: no more).

    ``cause``: id of the fact that changed it.
    """

    bundle_id: str
    customer_id: str
    agent_id: str
    cause: str
    at_ms: int
    struggling: Hint | None
    branch: str | None = None
    region: str | None = None


class BundleEnd(msgspec.Struct, frozen=True):
    """The contact of a bundle is over."""

    bundle_id: str
    customer_id: str
    agent_id: str | None
    at_ms: int
    branch: str | None = None
    region: str | None = None


class CustomerWhereabouts(msgspec.Struct, frozen=True):
    """Whose a customer is, as last said."""

    customer_id: str
    known: Whereabouts


BundleOutput = Bundle | BundleChanged | BundleEnd | CustomerWhereabouts
ContactOutput = BundleOutput | QuestionAsked | AnswerRated
ContactInput = Fact | Attendance | PolicyNews | TraitNews | AnswerNews


def bundle_document(bundle: Bundle) -> dict[str, Any]:
    """The bundle as desks and the API see it."""
    document: dict[str, Any] = msgspec.to_builtins(bundle)
    del document["failures"]
    document["at"] = iso_text(document.pop("at_ms"))
    document["expires_at"] = iso_text(document.pop("expires_at_ms"))
    for need in document["needs"]:
        need["text"] = need.pop("say")
    document["interruption"] = _optional_hint_document(bundle.interruption)
    document["struggling"] = _optional_hint_document(bundle.struggling)
    return document


def change_document(change: BundleChanged) -> dict[str, Any]:
    """What has changed in a bundle, as desks see it."""
    return {
        "bundle_id": change.bundle_id,
        "customer_id": change.customer_id,
        "at": iso_text(change.at_ms),
        "struggling": _optional_hint_document(change.struggling),
    }


def _optional_hint_document(hint: Hint | None) -> dict[str, Any] | None:
    return None if hint is None else hint_document(hint)
