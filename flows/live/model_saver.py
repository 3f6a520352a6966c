"""What has been learnt, saved from a running engine and taken up by the next one.

In: a journey's learning, after each batch. Out: a version in the store every so often, and when the engine stops; a
learning that begins where a saved one was. Refused: nothing. A version that can't be used is logged, and the
next older one is tried; when none can, the learning begins from nothing.

Which one it begins with: the pinned version, at every start; without a pin what the engine's own snapshot holds, and
where there is none the newest version. The dataflow waits only for the packing: a thread writes.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import msgspec

from flows.metrics.models import ModelMetrics
from operators.learning.interfaces import MODEL_FORMAT, Learning, LearningFigures
from operators.records.catalogue import Catalogue
from operators.support.snapshot_codec import StateUnreadable
from state.snapshots.model_store import (
    ModelDamaged,
    ModelDescription,
    ModelForeign,
    ModelMissing,
    ModelStore,
)

LOG: Final = logging.getLogger("zhiyin.engine")


class Origin(msgspec.Struct, frozen=True):
    """Who saves: version of the program, fingerprint of each journey's part of the catalogue."""

    program: str
    fingerprints: Mapping[str, str]


def fingerprints(catalogue: Catalogue) -> dict[str, str]:
    """For each journey 8 hex digits of what its models hang on: its steps, and when they are looked at."""
    return {
        name: hashlib.sha256(
            msgspec.json.encode(([step.id for step in journey.steps], catalogue.checkpoints_ms(journey)))
        ).hexdigest()[:8]
        for name, journey in catalogue.journeys.items()
    }


class ModelSaver:
    """Saves every ``every_s`` seconds of ``monotonic``; ``now_ms``: the clock, for the description."""

    def __init__(
        self,
        store: ModelStore,
        origin: Origin,
        every_s: float,
        metrics: ModelMetrics,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._origin = origin
        self._every_s = every_s
        self._metrics = metrics
        self._monotonic = monotonic
        self._now_ms = now_ms
        self._learning: dict[str, Learning] = {}
        self._due: dict[str, float] = {}
        self._labels: dict[str, int] = {}
        self._writing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="models")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        """Before a journey's first batch. ``resumed``: its learning comes from the engine's snapshot."""
        for version in self._candidates(journey, resumed=resumed):
            try:
                description, packed = self._store.read(journey, version)
                learning.take_up(packed)
            except (ModelDamaged, ModelForeign, ModelMissing, StateUnreadable) as error:
                LOG.warning("models of %s: version %d is not taken up: %s", journey, version, error)
                continue
            self._log_begin(description)
            return
        if not resumed:
            LOG.info("models of %s: learning begins from nothing", journey)

    def __call__(self, journey: str, learning: Learning) -> None:
        """After a batch: saves when it is time, unless the last one is still being written."""
        self._learning[journey] = learning
        now_s = self._monotonic()
        if now_s >= self._due.setdefault(journey, now_s + self._every_s) and self._is_free():
            self._due[journey] = now_s + self._every_s
            self._save(journey, learning)

    def close(self) -> None:
        """Saves what has been learnt since; everything is written when it comes back."""
        for journey, learning in self._learning.items():
            self._save(journey, learning)
        self._thread.shutdown(wait=True)

    def _is_free(self) -> bool:
        return self._writing is None or self._writing.done()

    def _save(self, journey: str, learning: Learning) -> None:
        figures = learning.figures()
        if figures.learnt == self._labels.get(journey, 0):
            return
        self._labels[journey] = figures.learnt
        description = self._description(journey, figures)
        self._writing = self._thread.submit(self._write, description, learning.saved())

    def _write(self, description: ModelDescription, packed: bytes) -> None:
        try:
            version = self._store.save(description, packed)
        except (OSError, ModelDamaged) as error:
            self._labels.pop(description.journey, None)
            self._metrics.failed(description.journey)
            LOG.warning("models of %s: not saved: %s; it is tried again", description.journey, error)
        else:
            self._metrics.saved(description.journey, description.saved_ms)
            LOG.debug("models of %s: version %d saved, %d bytes", description.journey, version, len(packed))

    def _description(self, journey: str, figures: LearningFigures) -> ModelDescription:
        return ModelDescription(
            journey=journey,
            format=MODEL_FORMAT,
            program=self._origin.program,
            catalogue=self._origin.fingerprints.get(journey, ""),
            saved_ms=self._now_ms(),
            trained_from_ms=figures.first_ms,
            trained_to_ms=figures.last_ms,
            labels=figures.learnt,
            figures=figures.quality,
        )

    def _candidates(self, journey: str, *, resumed: bool) -> Iterator[int]:
        """The pinned version, then, unless there is a snapshot, the others, newest first."""
        pinned = None
        try:
            pinned = self._store.pinned(journey)
        except ModelDamaged as error:
            LOG.warning("models of %s: the pin is not taken for one: %s", journey, error)
        if pinned is not None:
            yield pinned
        if not resumed:
            yield from (number for number in self._store.numbers(journey) if number != pinned)

    def _log_begin(self, description: ModelDescription) -> None:
        journey, version = description.journey, description.version
        LOG.info("models of %s: begins with version %d, %d labels", journey, version, description.labels)
        fingerprint = self._origin.fingerprints.get(journey, "")
        if description.catalogue != fingerprint:
            LOG.warning(
                "models of %s: version %d was learnt under another catalogue (%s, now %s); "
                "what is new in it is learnt from nothing",
                *(journey, version, description.catalogue, fingerprint),
            )
