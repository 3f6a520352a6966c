"""A customer's policies as events tell of them, and whose customer he is.

In: the raw bytes of ``Policy Updated`` (its properties) and of ``identify`` (its traits). Out: a ``Policy``, or the
``Traits`` that say who looks after the customer. Refused, as a ``Rejection``: a policy without ``policy_id``, or with
a field of another type. Traits of other types are somebody else's and pass by unread.

A policy holds dates, amounts, numbers and yes or no: never a name, a telephone number or the number of a document.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

import msgspec

from operators.records.events import Rejection, excerpt, wrong_type

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Policy(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One policy's state; what is None is not known. The whole state comes with every event."""

    policy_id: Name
    product: Name | None = None
    status: Name | None = None
    premium_due_on: date | None = None
    premium_amount_due: Amount | None = None
    grace_ends_on: date | None = None
    unclaimed_benefit: bool | None = None
    unclaimed_benefit_amount: Amount | None = None
    id_document_expires_on: date | None = None
    has_beneficiary: bool | None = None
    has_phone: bool | None = None
    has_address: bool | None = None
    loan_interest_due_on: date | None = None
    loan_interest_amount: Amount | None = None
    claim_documents_missing: Annotated[int, msgspec.Meta(ge=0)] | None = None
    owner_agent_id: Name | None = None
    branch: Name | None = None
    region: Name | None = None


class Traits(msgspec.Struct, frozen=True, gc=False):
    """What ``identify`` says of whose a customer is; what is None was not said."""

    owner_agent_id: str | None = None
    branch: str | None = None
    region: str | None = None
    group: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing that is read."""
        return self == _NO_TRAITS


ENDED: Final = frozenset(("ended", "terminated", "surrendered", "matured", "cancelled"))
"""A policy in one of these states is forgotten: it calls for nothing any more."""

FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Policy))
TRAITS: Final = tuple(field.name for field in msgspec.structs.fields(Traits))
TRAIT_CHARS: Final = 100
_NO_TRAITS: Final = Traits()


class _PolicyUpdated(msgspec.Struct, gc=False):
    properties: Policy


class _Identify(msgspec.Struct, gc=False):
    traits: dict[str, Any] = {}


_POLICY_DECODER: Final = msgspec.json.Decoder(_PolicyUpdated)
_IDENTIFY_DECODER: Final = msgspec.json.Decoder(_Identify)


def read_policy(raw: bytes) -> Policy | Rejection:
    """The policy that a ``Policy Updated`` tells of, or what is wrong with it."""
    try:
        return _POLICY_DECODER.decode(raw).properties
    except msgspec.ValidationError as error:
        return wrong_type(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Rejection("not_json", "$", excerpt(raw), "one JSON object in UTF-8")


def read_traits(raw: bytes) -> Traits:
    """What an ``identify`` says of whose the customer is."""
    try:
        traits = _IDENTIFY_DECODER.decode(raw).traits
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NO_TRAITS
    return Traits(**{name: _named(traits, name) for name in TRAITS})


def _named(traits: Mapping[str, Any], name: str) -> str | None:
    value = traits.get(name)
    return value if isinstance(value, str) and 1 <= len(value) <= TRAIT_CHARS else None
