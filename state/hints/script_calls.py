"""Calls of the hint scripts: new hints and transitions laid out as keys and arguments, and records read back.

In: what ``state/hints/transitions.py`` prepared. Out: calls for ``state/redis/scripts``; owners and documents
out of what Redis answers. Refused: nothing. The order of keys and arguments is the scripts' own.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from state.hints.transitions import HintOwner, NewHint, StateTransition
from state.redis import keys
from state.redis.channels import channel_keys, fresh_epoch
from state.redis.scripts import CHANGE_STATE, DELIVER, DROP_EXPIRED, PLACE_HINT, POSITION, SPEAK, Call

KEPT_AFTER_EXPIRY_MS: Final = 86_400_000
OWNER_FIELDS: Final = ("customer", "desk", "transaction", "surfaces", "branch", "region")
DOCUMENT_FIELDS: Final = ("document", "state", "expires_at_ms")
_TRANSACTION: Final[msgspec.json.Decoder[str | None]] = msgspec.json.Decoder(str | None)


def place_hint_call(hint: NewHint, now_ms: int, kept_events: int) -> Call:
    """Answers ``[1]``, or ``[0]`` when the hint is known already."""
    owner = hint.owner
    arguments = (
        *(now_ms, hint.expires_at_ms, fresh_epoch(), kept_events, KEPT_AFTER_EXPIRY_MS),
        *(hint.hint_id, owner.customer_id, msgspec.json.encode(owner.customer_id), owner.desk_id),
        *(msgspec.json.encode(owner.transaction_id), ",".join(owner.surfaces), hint.rank),
        *(int("desk" in owner.surfaces), int("chatbot" in owner.surfaces), hint.may_speak_first),
        *(hint.document, hint.event, owner.branch or "", owner.region or ""),
    )
    return Call(PLACE_HINT, _hint_keys(hint.hint_id, owner), arguments)


def speak_call(hint_id: str, now_ms: int, kept_events: int) -> Call:
    """Answers ``[1]``, or ``[0]`` when there is nothing to say any more."""
    hint_keys = (keys.HINT_RECORD.of(hint_id), *channel_keys(keys.CHATBOT_CHANNEL))
    return Call(SPEAK, hint_keys, (now_ms, fresh_epoch(), kept_events))


def transition_call(transition: StateTransition, owner: HintOwner, now_ms: int, kept_events: int) -> Call:
    """Answers ``[1, new state]``, or ``[0, the state it stays in]`` (empty: unknown)."""
    arguments = (
        *(now_ms, fresh_epoch(), kept_events, transition.hint_id, msgspec.json.encode(owner.customer_id)),
        *(transition.wanted, transition.cause, int(transition.ends), f"|{'|'.join(sorted(transition.origins))}|"),
        *(transition.desk_event, transition.chatbot_event),
    )
    return Call(CHANGE_STATE, _hint_keys(transition.hint_id, owner), arguments)


def deliver_call(hint_ids: Sequence[str]) -> Call:
    """Answers ``[how many were created and are delivered now]``."""
    return Call(DELIVER, tuple(keys.HINT_RECORD.of(hint_id) for hint_id in hint_ids))


def drop_expired_call(customer_id: str, now_ms: int) -> Call:
    """Takes a customer's expired hints out of what is read."""
    return Call(DROP_EXPIRED, _customer_keys(customer_id), (msgspec.json.encode(customer_id), now_ms))


def position_call(channel: str) -> Call:
    """Answers ``[epoch, last offset, oldest kept offset]``."""
    return Call(POSITION, channel_keys(channel), (fresh_epoch(),))


def owner_from(values: Sequence[bytes | None]) -> HintOwner | None:
    """The ``OWNER_FIELDS`` of a record; None: there is no such record."""
    customer, desk, transaction, surfaces, branch, region = values
    if customer is None or desk is None or transaction is None or surfaces is None:
        return None
    return HintOwner(
        customer_id=customer.decode(),
        desk_id=desk.decode(),
        transaction_id=_TRANSACTION.decode(transaction),
        surfaces=tuple(surfaces.decode().split(",")),
        branch=branch.decode() or None if branch is not None else None,
        region=region.decode() or None if region is not None else None,
    )


def document_from(values: Sequence[bytes | None]) -> dict[str, Any] | None:
    """The document and state of a record's ``DOCUMENT_FIELDS``; None: there is no such record."""
    document, state, _ = values
    if document is None or state is None:
        return None
    return {**msgspec.json.decode(document), "state": state.decode()}


def _customer_keys(customer_id: str) -> tuple[str, str, str]:
    return keys.OPEN_HINTS.of(customer_id), keys.OPEN_DOCUMENTS.of(customer_id), keys.CHATBOT_HINT.of(customer_id)


def _hint_keys(hint_id: str, owner: HintOwner) -> tuple[str, ...]:
    return (
        keys.HINT_RECORD.of(hint_id),
        *_customer_keys(owner.customer_id),
        keys.DESK_OPEN.of(owner.desk_id),
        *channel_keys(keys.desk_channel(owner.desk_id)),
        *channel_keys(keys.CHATBOT_CHANNEL),
        keys.EXPIRING.of(),
    )
