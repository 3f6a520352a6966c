"""Facts and hints as CloudEvents 1.0: what other systems, desks and bots receive.

In: a fact, a hint, or what became of a hint. Out: a dictionary ready to be written as JSON;
attributes without a value are left out, as the specification asks. Ids say what an event is
about, so the same event published twice has the same id. Refused: nothing.

Extensions: ``partitionkey`` (the customer), ``correlationid`` (the transaction),
``causationid`` (the message behind it), ``expirytime`` (when it is of no more use), ``branch`` and ``region``
(where the customer belongs: who may see him is decided by them).
"""

from typing import Any, Final

from operators.contacts.bundle import Bundle, BundleChanged, BundleEnd, bundle_document, change_document
from operators.hints.hint import Hint, HintState, RetireCause, Retirement, hint_document
from operators.monitoring.pain_points import PainPoint, pain_point_document
from operators.records.facts import Fact, fact_document
from operators.support.timestamps import iso_text

SOURCE: Final = "/zhiyin/engine"
HINT_CREATED: Final = "zhiyin.hint.created"
HINT_RETIRED: Final = "zhiyin.hint.retired"
HINT_SHOWN: Final = "zhiyin.hint.shown"
HINT_USED: Final = "zhiyin.hint.used"
HINT_DISMISSED: Final = "zhiyin.hint.dismissed"
HINT_MOVED: Final = "zhiyin.hint.moved"
BUNDLE_CREATED: Final = "zhiyin.bundle.created"
BUNDLE_CHANGED: Final = "zhiyin.bundle.changed"
BUNDLE_CLOSED: Final = "zhiyin.bundle.closed"


def fact_event(fact: Fact) -> dict[str, Any]:
    """``zhiyin.transaction.<kind>`` of one fact."""
    return _cloud_event(
        f"zhiyin.transaction.{fact.kind}",
        fact.id,
        iso_text(fact.at_ms),
        fact.customer_id,
        fact_document(fact),
        correlationid=fact.transaction_id,
        causationid=fact.cause,
    )


def hint_created_event(hint: Hint) -> dict[str, Any]:
    """``zhiyin.hint.created`` with the whole hint document."""
    return _cloud_event(
        HINT_CREATED,
        f"{hint.hint_id}:created",
        iso_text(hint.created_at_ms),
        hint.customer_id,
        hint_document(hint),
        correlationid=hint.transaction_id,
        causationid=hint.cause,
        expirytime=iso_text(hint.expires_at_ms),
        branch=hint.branch,
        region=hint.region,
        skill=hint.skill,
    )


def document_created_event(document: dict[str, Any], event_id: str, at: str) -> dict[str, Any]:
    """``zhiyin.hint.created`` of a hint that goes to another desk at ``at``."""
    return _cloud_event(
        HINT_CREATED,
        event_id,
        at,
        document["customer_id"],
        document,
        correlationid=document["transaction_id"],
        causationid=document["cause"],
        expirytime=document["expires_at"],
        branch=document["branch"],
        region=document["region"],
        skill=document["skill"],
    )


def ends_as(cause: RetireCause) -> HintState:
    """The last state of a hint that is retired for ``cause``: what was used ends as used, the rest as retired."""
    return cause if cause in ("used", "dismissed", "expired") else "retired"


def retirement_event(retirement: Retirement, transaction_id: str | None = None) -> dict[str, Any]:
    """``zhiyin.hint.retired``: the hint is of no more use anywhere."""
    state = ends_as(retirement.cause)
    data = hint_change(retirement.hint_id, retirement.customer_id, state, retirement.cause, retirement.at_ms)
    return hint_changed_event(HINT_RETIRED, data, transaction_id)


def hint_change(hint_id: str, customer_id: str, state: str, cause: str, at_ms: int) -> dict[str, Any]:
    """``data`` of the events that say what became of a hint."""
    return {"hint_id": hint_id, "customer_id": customer_id, "state": state, "cause": cause, "at": iso_text(at_ms)}


def hint_changed_event(event_type: str, change: dict[str, Any], transaction_id: str | None = None) -> dict[str, Any]:
    """What became of a hint: one of the ``HINT_*`` types of this module around a ``hint_change``."""
    suffix = event_type.rpartition(".")[2]
    event_id = f"{change['hint_id']}:{suffix}"
    return _cloud_event(event_type, event_id, change["at"], change["customer_id"], change, correlationid=transaction_id)


def bundle_created_event(bundle: Bundle) -> dict[str, Any]:
    """``zhiyin.bundle.created`` with the whole bundle document."""
    return _cloud_event(
        BUNDLE_CREATED,
        f"{bundle.bundle_id}:created",
        iso_text(bundle.at_ms),
        bundle.customer_id,
        bundle_document(bundle),
        correlationid=bundle.conversation_id,
        expirytime=iso_text(bundle.expires_at_ms),
        branch=bundle.branch,
        region=bundle.region,
    )


def bundle_changed_event(change: BundleChanged) -> dict[str, Any]:
    """``zhiyin.bundle.changed``: what the customer struggles with now, in the middle of the contact."""
    return _cloud_event(
        BUNDLE_CHANGED,
        f"{change.bundle_id}:{change.cause}",
        iso_text(change.at_ms),
        change.customer_id,
        change_document(change),
        branch=change.branch,
        region=change.region,
    )


def bundle_closed_event(end: BundleEnd) -> dict[str, Any]:
    """``zhiyin.bundle.closed``: the contact is over."""
    at = iso_text(end.at_ms)
    data = {"bundle_id": end.bundle_id, "customer_id": end.customer_id, "at": at}
    event_id = f"{end.bundle_id}:closed"
    return _cloud_event(BUNDLE_CLOSED, event_id, at, end.customer_id, data, branch=end.branch, region=end.region)


def pain_point_event(point: PainPoint, suffix: str, at_ms: int) -> dict[str, Any]:
    """``zhiyin.pain_point.<suffix>`` with the whole document; about a step, and so of no customer."""
    event_type, event_id = f"zhiyin.pain_point.{suffix}", f"{point.id}:{suffix}:{at_ms}"
    subject = f"{point.journey}/{point.step}"
    return _cloud_event(event_type, event_id, iso_text(at_ms), subject, pain_point_document(point))


def _cloud_event(
    event_type: str, event_id: str, at: str, customer_id: str, data: dict[str, Any], **extensions: str | None
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": event_type,
        "time": at,
        "subject": customer_id,
        "datacontenttype": "application/json",
        "partitionkey": customer_id,
        **{name: value for name, value in extensions.items() if value is not None},
        "data": data,
    }
