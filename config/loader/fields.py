"""One sentence for every field of the catalogue, for its reference page. A test finds the missing ones."""

from typing import Final

from operators.records import catalogue as records

SECTIONS: Final = (
    (records.Catalogue, "The whole catalogue", "the top of the file"),
    (records.Journey, "A journey", "`journeys.NAME`"),
    (records.Step, "A step", "`journeys.NAME.steps[]`"),
    (records.Owner, "Who owns a step", "`journeys.NAME.steps[].owner`"),
    (records.Reason, "A reason", "`reasons.CODE`"),
    (records.Speaks, "Evidence", "`reasons.CODE.evidence[]`"),
    (records.Article, "An article", "`reasons.CODE.article`"),
    (records.Words, "A wording", "every `title`, `body` and `say`"),
    (records.Struggle, "Struggle", "`struggle`"),
    (records.Hints, "Hints", "`hints`"),
    (records.Caps, "Caps", "`caps`"),
    (records.QuietHours, "Quiet hours", "`quiet_hours`"),
    (records.ControlGroup, "Control group", "`control_group`"),
    (records.Monitoring, "Monitoring", "`monitoring`"),
    (records.NeedRule, "A need", "`needs.CODE`"),
    (records.Bundles, "Bundles", "`bundles`"),
    (records.Outreach, "Outreach", "`outreach`"),
)
"""The records in the order of the page: record, heading, where it stands."""

SENTENCES: Final = {
    "Catalogue": {
        "journeys": "The transactions that are watched, by the name events carry in `properties.journey`.",
        "reasons": "Causes of a break-off, by code. `unknown` must be there: what to say when the cause is not known.",
        "lateness": "How far behind the newest event another may come and still count in order.",
        "idle_checkpoints": "Lengths of silence at which an attempt is looked at, rising.",
        "decision": "How a silence becomes a break-off: `fixed` is at `idle_after`; `learned` is at the first "
        "checkpoint where waiting longer costs more than it saves, `idle_after` at the latest.",
        "target_precision": "With `learned`: the share of break-offs told that are not followed by a return.",
        "label_timeout": "Silence after which a prediction counts as settled: it did not complete.",
        "contact_within": "So long after a break-off a contact counts as due to it, for what is learnt of contacts.",
        "learning": "Whether silences are scored and learnt from where the decision is `fixed` too.",
        "struggle": "When what a customer does counts as struggling.",
        "hints": "What holds for every hint.",
        "caps": "How often a customer may be contacted.",
        "quiet_hours": "When nobody is spoken to first; left out: never.",
        "control_group": "Customers who get no hint, for measuring what hints are worth.",
        "monitoring": "What journey maps tell apart, and how readily pain points are raised.",
        "needs": "What a customer's policies may call for, by code: told to the agent whose contact begins.",
        "bundles": "What an agent is given when a contact begins.",
        "outreach": "Whom agents call first.",
    },
    "Journey": {
        "title": "What customers and agents call it; fills `{journey}`.",
        "steps": "Its steps, in the order customers meet them.",
        "idle_after": "Silence that counts as broken off, where a step does not say otherwise.",
        "forget_after": "Further silence after which the attempt is expired and forgotten.",
        "lateness": "Its own, where its events come slower than others'; left out: the catalogue's.",
        "decision": "Its own; left out: the catalogue's.",
        "idle_checkpoints": "Its own; left out: the catalogue's.",
        "target_precision": "Its own; left out: the catalogue's.",
        "priority": "How much it matters, 0 to 100: which hint comes first for a customer who broke off several.",
        "skill": "Which skill a desk needs to take its hints from a queue; left out: none.",
    },
    "Step": {
        "id": "The name events carry in `properties.step`, once in a journey.",
        "title": "What customers and agents call it; fills `{step}`.",
        "idle_after": "Silence at this step that counts as broken off; left out: the journey's.",
        "hesitation_after": "A pause at this step that counts as hesitation; left out: that of `struggle`.",
        "final": "Whether reaching it completes the transaction, as `Transaction Completed` does.",
        "owner": "Who answers for it.",
    },
    "Owner": {
        "system": "The system it runs on.",
        "department": "The department behind it.",
    },
    "Reason": {
        "title": "What agents see.",
        "article": "The help that fits.",
        "say": "What the chatbot or agent says first; `{journey}` and `{step}` are filled in.",
        "variants": "Other wordings of `say`; used where `hints.wording` is `bandit`.",
        "evidence": "What speaks for it; none for `unknown`, at least one for every other.",
        "need": "How much help is needed: 0 the customer manages alone, 1 needs a person.",
        "priority": "Added to the journey's when hints are ranked.",
    },
    "Speaks": {
        "signal": "What happened; `at_step` is the mere fact that it broke off there.",
        "weight": "How much it says. Each repetition adds half of the one before; at an earlier step it is worth half.",
        "codes": "Error codes it holds for (of a rage or dead click: targets, "
        "of a page loop: paths), `*` at the end for any ending; left out: any.",
        "steps": "Steps it holds for; left out: any.",
        "fields": "Form fields it holds for, with `field_error` and `field_hesitation` only; left out: any.",
    },
    "Article": {
        "id": "Its name, the same wherever the same text stands.",
        "title": "Its heading.",
        "body": "What to do; line breaks are kept.",
    },
    "Words": {
        "zh": "In Chinese.",
        "en": "In English.",
    },
    "Struggle": {
        "repeated_failures": "Failures at one step.",
        "repeated_field_errors": "Field errors at one step.",
        "back_and_forth_visits": "Visits to the same step by going back.",
        "hesitation_after": "A pause between two events.",
        "rage_clicks": "Clicks on one target that are a rage click.",
        "rage_within": "The most time between two of them.",
        "rage_radius_px": "How near to each other they are, in pixels.",
        "rage_ignores": "Controls where quick clicks are normal (`properties.control`).",
        "dead_clicks": "Clicks without effect at one step.",
        "field_hesitations": "Fields thought about for long, at one step.",
    },
    "Hints": {
        "surfaces": "Where hints are shown.",
        "lifetime": "After this a hint is of no more use.",
        "min_confidence": "Below this the reason is told as `unknown`.",
        "wording": "`fixed` says `say`; `bandit` learns which of `say` and `variants` gets customers to finish.",
    },
    "Caps": {
        "hints": "Hints a customer gets at most in the window, over all surfaces.",
        "window": "The length of the window; it rolls, and is no calendar day.",
    },
    "QuietHours": {
        "zone": "The time zone of both times, an IANA name.",
        "from": "They begin.",
        "to": "They end; earlier than `from` is the next morning.",
        "on_conflict": "`defer` speaks at the end of the quiet hours, `drop` not at all.",
    },
    "ControlGroup": {
        "share": "Which part of the customers, 0 to 1.",
        "salt": "Changing it draws the group anew.",
    },
    "Monitoring": {
        "channels": "The channels (`context.channel`) that journey maps tell apart; others count as `other`.",
        "groups": "The customer groups (`context.groupId`) that they tell apart; others count as `other`.",
        "false_alarms_a_week": "Where nothing changes, at most so many pain points a week are expected, in all.",
        "learn_days": "So long a step is only watched, before it may be a pain point.",
    },
    "Outreach": {
        "after": "A customer who is away for so long after the break-off goes on the list.",
        "lease": "How long a claim holds a customer for one agent, unless it is renewed.",
        "cool_off": "After a call that was answered, so long no other.",
        "no_answer_after": "After one that was not, so long until the next try.",
        "tries": "Calls without an answer after which the cool-off begins.",
    },
    "NeedRule": {
        "title": "What agents see.",
        "when": "When a policy calls for it: an expression in [CEL](https://cel.dev) over `policy` (the properties of "
        "`Policy Updated`; null where nothing was said), `today` and `now`.",
        "say": "What is said to the customer, the same on every channel.",
        "article": "How it is settled.",
        "priority": "How much it matters, 0 to 100: which need comes first.",
        "channels": "The contacts it is told in.",
    },
    "Bundles": {
        "needs": "At most so many needs; how many there are beyond is told.",
        "zone": "The time zone whose date is `today`, an IANA name.",
    },
}
