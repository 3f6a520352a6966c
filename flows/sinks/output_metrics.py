"""Facts, hints and dead letters counted on their way out, wherever that leads."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from flows.metrics.engine import EngineMetrics
from operators.contacts.bundle import Bundle, BundleOutput
from operators.contacts.bundle_decision import CHANNELS
from operators.hints.arbitration import Verdict
from operators.hints.hint import HeldBack, Hint, Retirement, WordingReward
from operators.monitoring.journey_monitor import PainPointChanged
from operators.outreach.call_list_entry import CallFirst, CallListOutput, NoCall
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Fact
from state.facts.stream import PublicItem
from state.facts.topic_documents import LARGEST_BYTES

LOG: Final = logging.getLogger("zhiyin.engine")
PUBLISHED: Final = frozenset(("started", "struggled", "abandoned", "returned", "completed", "cancelled", "expired"))
"""The kinds of facts that are published."""

_OLDEST_S: Final = 3_600.0
"""A fact about something longer ago comes from a recording or an outage: no latency of ours."""


class OutputMetrics:
    """Counts into the metrics of one engine."""

    def __init__(self, metrics: EngineMetrics) -> None:
        self._metrics = metrics

    def facts(self, facts: Sequence[Fact]) -> None:
        """By kind, journey and step, with the time they took, and by likeliest reason."""
        now_s = time.time()
        for fact in facts:
            self._metrics.facts.labels(fact.kind, fact.journey, fact.step or "").inc()
            seconds = now_s - fact.at_ms / 1000
            if 0 <= seconds <= _OLDEST_S:
                self._metrics.fact_seconds.labels(fact.kind).observe(seconds)
            if fact.reasons:
                self._metrics.reasons.labels(fact.journey, fact.reasons[0].code).inc()

    def verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Hints that were made, those that were held back, and those that ended."""
        for verdict in verdicts:
            if isinstance(verdict, Hint):
                self._metrics.hints.labels(verdict.journey, "created").inc()
                if verdict.wording is not None:
                    variant = str(verdict.wording.variant)
                    self._metrics.wordings.labels(verdict.journey, verdict.reason.code, variant).inc()
            elif isinstance(verdict, HeldBack):
                self._metrics.hints_held_back.labels(verdict.journey, verdict.why_not).inc()
            elif isinstance(verdict, Retirement):
                self._metrics.retirements.labels(verdict.cause).inc()
            elif isinstance(verdict, WordingReward):
                outcome = "completed" if verdict.reward else "not_completed"
                labels = (verdict.journey, verdict.reason, str(verdict.variant), outcome)
                self._metrics.wording_outcomes.labels(*labels).inc()

    def outreach(self, outputs: Sequence[CallListOutput]) -> None:
        """Customers put on the outreach list, those who went from it, and those kept off it."""
        for output in outputs:
            if isinstance(output, CallFirst):
                self._metrics.outreach.labels(output.entry.journey).inc()
            elif isinstance(output, NoCall):
                self._metrics.outreach_ended.labels(output.cause).inc()
            else:
                self._metrics.outreach_not_listed.labels(output.journey, output.why_not).inc()

    def bundles(self, outputs: Sequence[BundleOutput]) -> None:
        """Bundles written, by channel, and rules of needs that a customer's data did not fit."""
        for output in outputs:
            if isinstance(output, Bundle):
                self._metrics.bundles.labels(output.channel if output.channel in CHANNELS else "other").inc()
                for code, count in output.failures.items():
                    self._metrics.need_failures.labels(code).inc(count)

    def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """By what was wrong."""
        for letter in letters:
            self._metrics.dead_letters.labels(letter.rejections[0].kind).inc()

    def pain_points(self, changes: Sequence[PainPointChanged]) -> None:
        """What happened to them, by journey."""
        for change in changes:
            if change.action is not None:
                self._metrics.pain_points.labels(change.point.journey, change.action).inc()

    def unsent(self, topic: str, item: PublicItem) -> None:
        """Something that is too large for its topic: logged here, because nobody else receives it."""
        self._metrics.untold.labels(topic).inc()
        LOG.error(
            "%s: %s of journey %s not told: found more than %d bytes; "
            "see what puts events on the bus besides the collector, which limits what it takes",
            *(topic, type(item).__name__.lower(), getattr(item, "journey", ""), LARGEST_BYTES),
        )
