"""The journey catalogue as the operators see it: frozen records, nothing loaded here.

``config`` reads YAML into these records (their types are the schema of the file);
every word a business user may change lives in them. Durations are words in the
file (``300s``) and milliseconds behind the ``*_ms`` properties.
"""

import math
from typing import Annotated, Final, Literal

import msgspec

from operators.support.timestamps import DURATION_PATTERN, duration_ms

Duration = Annotated[
    str, msgspec.Meta(pattern=DURATION_PATTERN, max_length=12, examples=["500ms", "30s", "5m", "24h", "7d"])
]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Count = Annotated[int, msgspec.Meta(ge=1)]
Surface = Literal["desk", "chatbot"]
Decision = Literal["fixed", "learned"]
Precision = Annotated[float, msgspec.Meta(gt=0.5, lt=1.0)]
ContactChannel = Literal["phone", "counter", "chat"]
SignalKind = Literal[
    "step_failed",
    "field_error",
    "back_and_forth",
    "rage_click",
    "hesitation",
    "page_hidden",
    "dead_click",
    "field_hesitation",
    "page_loop",
    "at_step",
]

UNKNOWN: Final = "unknown"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in the two languages we speak."""

    zh: Text
    en: Text


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for a step: the system it runs on and the department behind it."""

    system: Text
    department: Text


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a journey, in the order of the list it stands in."""

    id: Code
    title: Words
    idle_after: Duration | None = None
    hesitation_after: Duration | None = None
    final: bool = False
    owner: Owner | None = None


class Journey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of transaction.

    ``idle_after``: silence that counts as broken off; ``forget_after``: silence
    beyond that after which the attempt is forgotten; ``lateness``: the journey's own, where
    its events come slower than others'; ``decision``, ``idle_checkpoints``, ``target_precision``: its own, where they
    are not the catalogue's; ``priority``: 0 to 100.
    """

    title: Words
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1)]
    idle_after: Duration = "5m"
    forget_after: Duration = "24h"
    lateness: Duration | None = None
    decision: Decision | None = None
    idle_checkpoints: tuple[Duration, ...] | None = None
    target_precision: Precision | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    skill: Code | None = None

    @property
    def forget_after_ms(self) -> int:
        """Silence beyond the deadline after which the attempt is forgotten, in ms."""
        return duration_ms(self.forget_after)

    def idle_after_ms(self, step: Step | None) -> int:
        """Silence at ``step`` (None: no step seen yet) that counts as broken off, in ms."""
        own = step.idle_after if step is not None else None
        return duration_ms(own or self.idle_after)


class Struggle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When what a customer does counts as struggling. Starting values: public UX research."""

    repeated_failures: Count = 2
    repeated_field_errors: Count = 3
    back_and_forth_visits: Count = 3
    hesitation_after: Duration = "60s"
    rage_clicks: Annotated[int, msgspec.Meta(ge=2)] = 3
    rage_within: Duration = "1s"
    rage_radius_px: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    rage_ignores: tuple[str, ...] = ("text_input", "stepper", "next", "previous")
    dead_clicks: Count = 2
    field_hesitations: Count = 3


class Speaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of evidence that speaks for a reason.

    ``codes``, ``steps``, ``fields`` empty means any; a code may end in ``*``. The code of a
    rage click or dead click is its target, that of a page loop the page's path.
    ``weight`` counts once, each repetition adds half of the one before.
    """

    signal: SignalKind
    weight: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 1.0
    codes: tuple[Code, ...] = ()
    steps: tuple[Code, ...] = ()
    fields: tuple[Code, ...] = ()


class Article(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The help that fits a reason: what to tell the customer."""

    id: Code
    title: Words
    body: Words


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cause of a break-off, what speaks for it, and what helps.

    ``need``: 0 (the customer manages alone) to 1 (needs a person).
    """

    title: Words
    article: Article
    say: Words
    """What the chatbot or agent says first; ``{journey}`` and ``{step}`` are filled in."""
    evidence: tuple[Speaks, ...] = ()
    need: Share = 0.5
    priority: Annotated[int, msgspec.Meta(ge=-50, le=50)] = 0
    variants: tuple[Words, ...] = ()
    """Other wordings of ``say``, for ``hints.wording: bandit`` to choose among."""


class NeedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer's policy may call for, to be settled in a contact that is under way.

    ``when``: an expression in CEL over ``policy``, ``today`` and ``now``; ``say``: the same on every channel.
    """

    title: Words
    when: Text
    say: Words
    article: Article
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    channels: Annotated[tuple[ContactChannel, ...], msgspec.Meta(min_length=1)] = ("phone", "counter", "chat")


class Bundles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent is given when a contact begins. ``zone``: whose calendar says what day it is."""

    needs: Count = 5
    zone: str = "Asia/Shanghai"


class Hints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for every hint. ``min_confidence``: below it the reason is 'unknown'."""

    surfaces: Annotated[tuple[Surface, ...], msgspec.Meta(min_length=1)] = ("desk", "chatbot")
    lifetime: Duration = "24h"
    min_confidence: Share = 0.4
    wording: Literal["fixed", "bandit"] = "fixed"


class Caps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most ``hints`` a customer over all surfaces in any ``window`` (rolling)."""

    hints: Count = 3
    window: Duration = "24h"


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """When we do not speak first. Look-ups and desks stay as they are.

    ``on_conflict``: ``defer`` speaks at the end of the quiet hours, ``drop`` not at all.
    """

    zone: str
    start: ClockTime
    end: ClockTime
    on_conflict: Literal["defer", "drop"] = "defer"


class Outreach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom agents call first: who broke off and was not back within ``after``.

    ``lease``: how long a claim lasts; ``cool_off``: no call after one that was answered; ``no_answer_after``: the
    next try after one that was not, ``tries`` in all.
    """

    after: Duration = "1h"
    lease: Duration = "15m"
    cool_off: Duration = "7d"
    no_answer_after: Duration = "4h"
    tries: Count = 3


class ControlGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of customers who never get a hint, so that its worth can be measured."""

    share: Share = 0.05
    salt: str = "zhiyin"


class Monitoring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the journey map tells apart, and how often pain points may be raised for nothing.

    ``channels``, ``groups``: ``context.channel`` and ``context.groupId`` of events; the rest is ``other``.
    ``false_alarms_a_week``: at most so many, over all journeys, are expected where nothing has changed.
    ``learn_days``: how long a step is only watched, so that its own week is known, before it may be a pain point.
    """

    channels: Annotated[tuple[Code, ...], msgspec.Meta(max_length=8)] = ("web", "app", "wechat")
    groups: Annotated[tuple[Code, ...], msgspec.Meta(max_length=8)] = ()
    false_alarms_a_week: Annotated[float, msgspec.Meta(gt=0.0, le=100.0)] = 0.2
    learn_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 14


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole catalogue. ``reasons`` must hold ``unknown``: what to say when we don't know why."""

    journeys: Annotated[dict[Code, Journey], msgspec.Meta(min_length=1)]
    reasons: dict[Code, Reason]
    lateness: Duration = "2s"
    idle_checkpoints: tuple[Duration, ...] = ("30s", "60s", "2m", "5m", "10m", "20m")
    decision: Decision = "fixed"
    target_precision: Precision = 0.95
    label_timeout: Duration = "2h"
    contact_within: Duration = "24h"
    learning: bool = True
    struggle: Struggle = Struggle()
    hints: Hints = Hints()
    caps: Caps = Caps()
    quiet_hours: QuietHours | None = None
    control_group: ControlGroup = ControlGroup()
    monitoring: Monitoring = Monitoring()
    outreach: Outreach = Outreach()
    needs: dict[Code, NeedRule] = {}
    bundles: Bundles = Bundles()

    def is_learned(self, journey: Journey) -> bool:
        """Whether a silence of the journey becomes a break-off when the learning says so."""
        return (journey.decision or self.decision) == "learned"

    def learns(self, journey: Journey, *, checkpoints: bool) -> bool:
        """Whether the journey's silences are scored and learnt from; ``checkpoints``: somebody receives the scores."""
        return self.is_learned(journey) or (self.learning and checkpoints)

    def learning_journeys(self, *, checkpoints: bool) -> list[str]:
        """The names of the journeys that do."""
        return [name for name, journey in self.journeys.items() if self.learns(journey, checkpoints=checkpoints)]

    def checkpoints_ms(self, journey: Journey) -> tuple[int, ...]:
        """The silences at which the journey's attempts are looked at, in ms."""
        own = self.idle_checkpoints if journey.idle_checkpoints is None else journey.idle_checkpoints
        return tuple(map(duration_ms, own))

    def precision_of(self, journey: Journey) -> float:
        """The share of the journey's abandonments that are to be right."""
        return self.target_precision if journey.target_precision is None else journey.target_precision

    @property
    def lateness_ms(self) -> int:
        """How far behind the highest timestamp an event may come, in ms, where its journey says nothing else."""
        return duration_ms(self.lateness)

    def lateness_ms_of(self, journey: Journey) -> int:
        """How far behind the highest timestamp an event of the journey may come, in ms."""
        return duration_ms(journey.lateness or self.lateness)


def sped_up(catalogue: Catalogue, speed: float) -> Catalogue:
    """The catalogue for a world that runs ``speed`` times as fast.

    What customers are waited for is divided (break-off, forgetting, hesitation, checkpoints, a
    hint's lifetime, the window of the caps, the waits of outreach; never below 1 ms); what belongs to the
    machinery or to a hand is not (lateness, rage clicks, an agent's lease). Raises ValueError unless
    0 < speed < infinity.
    """
    if not 0 < speed < math.inf:
        message = f"speed: found {speed}, expected a number above 0"
        raise ValueError(message)
    if speed == 1:
        return catalogue
    change = msgspec.structs.replace
    return change(
        catalogue,
        journeys={name: _journey_sped_up(journey, speed) for name, journey in catalogue.journeys.items()},
        idle_checkpoints=_all_shorter(catalogue.idle_checkpoints, speed),
        label_timeout=_shorter(catalogue.label_timeout, speed),
        contact_within=_shorter(catalogue.contact_within, speed),
        struggle=change(catalogue.struggle, hesitation_after=_shorter(catalogue.struggle.hesitation_after, speed)),
        hints=change(catalogue.hints, lifetime=_shorter(catalogue.hints.lifetime, speed)),
        caps=change(catalogue.caps, window=_shorter(catalogue.caps.window, speed)),
        outreach=_outreach_sped_up(catalogue.outreach, speed),
    )


def _outreach_sped_up(outreach: Outreach, speed: float) -> Outreach:
    return msgspec.structs.replace(
        outreach,
        after=_shorter(outreach.after, speed),
        cool_off=_shorter(outreach.cool_off, speed),
        no_answer_after=_shorter(outreach.no_answer_after, speed),
    )


def _journey_sped_up(journey: Journey, speed: float) -> Journey:
    return msgspec.structs.replace(
        journey,
        idle_after=_shorter(journey.idle_after, speed),
        forget_after=_shorter(journey.forget_after, speed),
        idle_checkpoints=None if journey.idle_checkpoints is None else _all_shorter(journey.idle_checkpoints, speed),
        steps=tuple(_step_sped_up(step, speed) for step in journey.steps),
    )


def _step_sped_up(step: Step, speed: float) -> Step:
    return msgspec.structs.replace(
        step,
        idle_after=None if step.idle_after is None else _shorter(step.idle_after, speed),
        hesitation_after=None if step.hesitation_after is None else _shorter(step.hesitation_after, speed),
    )


def _all_shorter(durations: tuple[Duration, ...], speed: float) -> tuple[Duration, ...]:
    return tuple(dict.fromkeys(_shorter(duration, speed) for duration in durations))


def _shorter(duration: Duration, speed: float) -> Duration:
    return f"{max(1, round(duration_ms(duration) / speed))}ms"
