"""Who may do what: one table of roles, asked wherever a token is shown; ``docs/reference/roles.md`` prints it.

In: nothing. Out: rights, each with the roles that have it. Refused: nothing here. A role that no row names may do
nothing.
"""

import sys
from typing import Final, NamedTuple

AGENT: Final = "agent"
SUPERVISOR: Final = "supervisor"
CHATBOT: Final = "chatbot"
OPS: Final = "ops"
ADMIN: Final = "admin"
ROLES: Final = (AGENT, SUPERVISOR, CHATBOT, OPS, ADMIN)

WHO: Final = {
    AGENT: "a person at a desk; the token's subject is the desk",
    SUPERVISOR: "who leads agents: sees where journeys hurt, and works the lists with them",
    CHATBOT: "a program that talks to customers",
    OPS: "who runs Zhiyin: sees figures, never a customer",
    ADMIN: "who answers for the house: sees figures and decides on fixes, never a customer",
}


class Right(NamedTuple):
    """One thing that may be done: where, and by whom."""

    action: str
    where: str
    roles: tuple[str, ...]


SUBSCRIBE_DESK: Final = Right("hear a desk's channel (its own)", "websocket, channel `desk`", (AGENT,))
SUBSCRIBE_CHATBOT: Final = Right("hear the chatbot's channel", "websocket, channel `chatbot`", (CHATBOT,))
LOOK_UP: Final = Right(
    "look up a customer's hints", "`GET /v1/customers/{id}/next-hints`", (CHATBOT, AGENT, SUPERVISOR)
)
LIST_DESK: Final = Right("list a desk's hints (its own)", "`GET /v1/hints`", (AGENT,))
REPORT: Final = Right("report what became of a hint", "`POST /v1/hints/{id}/states`, frame `ack`", (AGENT, CHATBOT))
LIST_OUTREACH: Final = Right(
    "list the customers to be called first", "`GET /v1/outreach`, page `/outreach`", (AGENT, SUPERVISOR)
)
CALL: Final = Right(
    "claim a customer to be called, say what came of it (own claims)",
    "`POST`, `DELETE /v1/outreach/{id}/claims`, `POST /v1/outreach/{id}/outcomes`",
    (AGENT,),
)
FORBID_CALLS: Final = Right(
    "say that a customer wants no calls, or may be called again",
    "`PUT`, `DELETE /v1/customers/{id}/do-not-call`",
    (AGENT, SUPERVISOR),
)
SEE_JOURNEYS: Final = Right(
    "see journey maps, pain points and satisfaction",
    "`GET /v1/journeys`, `GET /v1/journeys/{journey}/map`, `GET /v1/pain-points`, page `/journeys`",
    (SUPERVISOR, OPS, ADMIN),
)
WORK_PAIN_POINTS: Final = Right(
    "say who takes a pain point, that it is fixed, or that it is none",
    "`POST /v1/pain-points/{id}/states`",
    (SUPERVISOR, ADMIN),
)
SEE_BUNDLE: Final = Right(
    "see the bundle of a customer in contact", "`GET /v1/customers/{id}/bundle`", (AGENT, SUPERVISOR, CHATBOT)
)
TAKE_HINT: Final = Right(
    "take a hint from the queue of its branch",
    "`GET /v1/queue`, `POST /v1/hints/{id}/claims`, websocket channel `queue`",
    (AGENT,),
)
LIST_DESKS: Final = Right("see which desks are on line", "`GET /v1/desks`", (AGENT, SUPERVISOR, OPS))
LIST_BUNDLES: Final = Right("list a desk's bundles (its own)", "`GET /v1/bundles`", (AGENT,))
HOT_QUESTIONS: Final = Right(
    "see what is asked most, and say whether an answer solved it",
    "`GET /v1/customers/{id}/hot-questions`, `POST /v1/questions/{id}/ratings`",
    (CHATBOT, AGENT),
)

TABLE: Final = (
    SUBSCRIBE_DESK,
    SUBSCRIBE_CHATBOT,
    LOOK_UP,
    LIST_DESK,
    REPORT,
    LIST_OUTREACH,
    CALL,
    FORBID_CALLS,
    SEE_JOURNEYS,
    WORK_PAIN_POINTS,
    SEE_BUNDLE,
    TAKE_HINT,
    LIST_DESKS,
    LIST_BUNDLES,
    HOT_QUESTIONS,
)


def roles_page() -> str:
    """``docs/reference/roles.md``."""
    head = [
        "# Roles",
        "",
        "Every token says one `role`. What it may do:",
        "",
        f"| | where | {' | '.join(ROLES)} |",
        f"|---|---|{'---|' * len(ROLES)}",
    ]
    rows = [
        f"| {right.action} | {right.where} | {' | '.join('yes' if name in right.roles else '' for name in ROLES)} |"
        for right in TABLE
    ]
    who = [f"- `{role}`: {text}" for role, text in WHO.items()]
    tail = [
        "",
        "A token with another role, or asking for what its row does not allow, is answered 403 (websocket: closed with",
        "4403). Sending events needs a write key and no token; `/live`, `/ready` and the pages' files need neither.",
    ]
    return "\n".join([*head, *rows, *tail, "", "Who they are:", "", *who, ""])


if __name__ == "__main__":
    sys.stdout.write(roles_page())
