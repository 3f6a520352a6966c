"""What a customer's policies call for: the rules of the catalogue, held against each policy.

In: rules whose ``when`` is an expression in CEL (the Common Expression Language, https://cel.dev), a customer's
policies, and the instant. Out: needs, ranked, each once with the policies it is about. Refused: an expression that is
none, names what there is not, or does not come out true or false (``NotAnExpression``).

An expression sees ``policy`` (every field of ``operators.records.policies.Policy``; null where not known), ``today``
and ``now``. Dates are timestamps at 00:00; ``today`` is the date of the catalogue's zone. What the data of one customer
makes of a rule never stops anything: it is counted, and the rule does not apply. Expressions cannot run for ever, and
reach nothing outside themselves.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from operators.records.catalogue import Article, Catalogue, ContactChannel, NeedRule, Words
from operators.records.policies import FIELDS, Policy

if TYPE_CHECKING:
    import cel

VARIABLES: Final = frozenset(("policy", "today", "now"))
_SAMPLE_DAY: Final = date(2026, 1, 1)


class NotAnExpression(Exception):
    """``when`` cannot be used. ``expression``; ``found``: what CEL said of it."""

    def __init__(self, expression: str, found: str) -> None:
        self.expression = expression
        self.found = found
        super().__init__(
            f"expression {expression!r}: found {found}, expected one in CEL over {', '.join(sorted(VARIABLES))} "
            "that is true or false"
        )


class Need(msgspec.Struct, frozen=True):
    """One thing to settle. ``policies``: the ids of those it is about."""

    code: str
    title: Words
    say: Words
    article: Article
    priority: int
    policies: tuple[str, ...]


class Needs(msgspec.Struct, frozen=True):
    """Ranked needs. ``failures``: how often a rule could not be held against a policy, by code of the rule."""

    found: tuple[Need, ...]
    failures: dict[str, int]


class _Rule(msgspec.Struct, frozen=True):
    code: str
    rule: NeedRule
    program: "cel.Program"


class NeedRules:
    """The rules of a catalogue, compiled once. Raises NotAnExpression."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._zone = ZoneInfo(catalogue.bundles.zone)
        ranked = sorted(catalogue.needs.items(), key=lambda item: (-item[1].priority, item[0]))
        self._rules = [_Rule(code, rule, compiled(rule.when)) for code, rule in ranked]

    def needs(self, policies: Sequence[Policy], channel: ContactChannel | None, now_ms: int) -> Needs:
        """What ``policies`` call for now, the most important first; ``channel`` None: whatever the channel."""
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        instants = {"now": now, "today": _midnight(now.astimezone(self._zone).date())}
        inputs = [(policy.policy_id, {"policy": as_variable(policy), **instants}) for policy in policies]
        needs, failures = [], dict[str, int]()
        for entry in self._rules:
            if channel is None or channel in entry.rule.channels:
                concerned, failed = _concerned(entry.program, inputs)
                if concerned:
                    needs.append(_need(entry, concerned))
                if failed:
                    failures[entry.code] = failed
        return Needs(tuple(needs), failures)


def compiled(expression: str) -> "cel.Program":
    """The program of ``expression``, tried on a policy of which nothing and one of which all is known.

    Raises NotAnExpression.
    """
    import cel

    try:
        program = cel.compile(expression)
        unknown = sorted(set(program.variables()) - VARIABLES)
        if unknown:
            raise NotAnExpression(expression, f"the name {unknown[0]!r}")
        _try_on(program, expression, _EMPTY)
        _try_on(program, expression, _FULL)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise NotAnExpression(expression, _first_line(error)) from error
    return program


def as_variable(policy: Policy) -> dict[str, Any]:
    """The policy as expressions see it: every field, dates as timestamps."""
    return {name: _value(getattr(policy, name)) for name in FIELDS}


def _concerned(program: "cel.Program", inputs: Iterable[tuple[str, dict[str, Any]]]) -> tuple[list[str], int]:
    """The policies the rule applies to, and how many it could not be held against."""
    concerned, failed = [], 0
    for policy_id, variables in inputs:
        try:
            applies = program.execute(variables)
        except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, ArithmeticError):
            failed += 1
            continue
        if applies is True:
            concerned.append(policy_id)
    return concerned, failed


def _need(entry: _Rule, policies: Iterable[str]) -> Need:
    rule = entry.rule
    return Need(entry.code, rule.title, rule.say, rule.article, rule.priority, tuple(policies))


def _try_on(program: "cel.Program", expression: str, policy: Policy) -> None:
    today = _midnight(_SAMPLE_DAY)
    answer = program.execute({"policy": as_variable(policy), "today": today, "now": today})
    if not isinstance(answer, bool):
        raise NotAnExpression(expression, f"the answer {answer!r}")


def _value(value: object) -> object:
    return _midnight(value) if isinstance(value, date) else value


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _first_line(error: Exception) -> str:
    """What CEL said, without the drawing of the position below it."""
    text = str(error.args[0]) if error.args else str(error)
    return f"no such field: {text}" if isinstance(error, KeyError) else text.splitlines()[0]


_EMPTY: Final = Policy("p")
_FULL: Final = Policy(
    policy_id="p",
    product="x",
    status="active",
    premium_due_on=_SAMPLE_DAY,
    premium_amount_due=1.0,
    grace_ends_on=_SAMPLE_DAY,
    unclaimed_benefit=True,
    unclaimed_benefit_amount=1.0,
    id_document_expires_on=_SAMPLE_DAY,
    has_beneficiary=True,
    has_phone=True,
    has_address=True,
    loan_interest_due_on=_SAMPLE_DAY,
    loan_interest_amount=1.0,
    claim_documents_missing=1,
    owner_agent_id="a",
    branch="b",
    region="r",
)
