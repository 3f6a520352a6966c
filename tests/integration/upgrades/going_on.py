"""What a program makes of a fixture: it starts on it, is asked, gets the rest of the story, is asked again.

In: an unpacked fixture, a checkout. Out: what can be seen right after the start and in the end.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from operators.learning.interfaces import MODEL_FORMAT
from state.snapshots.model_store import ModelStore, models_folder
from tests.integration.upgrades.archive import Expected, about, rest
from tests.integration.upgrades.outcome import cut, line
from tests.integration.upgrades.stage import Stage
from tests.parts.machine import ROOT

QUESTIONS: Final = (
    ("agent", "desk-1", "/v1/hints"),
    ("agent", "desk-1", "/v1/bundles"),
    ("agent", "desk-1", "/v1/queue"),
    ("agent", "desk-1", "/v1/outreach"),
    ("agent", "desk-1", "/v1/customers/talking-0/bundle"),
    *(
        ("chatbot", "bot", f"/v1/customers/{customer}/next-hints?surface=chatbot")
        for customer in ("told-0", "told-1", "used-0", "capped-0", "hinted-1", "silent-0")
    ),
    ("chatbot", "bot", "/v1/customers/insured-1/hot-questions"),
    ("supervisor", "boss", "/v1/journeys"),
    ("supervisor", "boss", "/v1/journeys/loan/map?window=1h"),
    ("supervisor", "boss", "/v1/journeys/claim/map?window=1d"),
    ("supervisor", "boss", "/v1/pain-points"),
)
"""Who asks the gateway what."""
_NEWEST_FIRST: Final = ("/v1/hints", "/v1/queue")
"""The order of hints that were written in the same instant is the clock's."""
_TRAINED: Final = ("trained_from_ms", "trained_to_ms")
_SETTLED_MS: Final = 16_000
"""So long after the stop the program is started: later than every event that waits on the bus."""


def go_on(folder: Path, checkout: Path = ROOT) -> Expected:
    """Starts on what is in ``folder`` and plays the rest. The engine is stopped in order at the end."""
    with Stage(folder, about(folder).stopped_ms + _SETTLED_MS, checkout) as stage:
        at_once = _seen(stage)
        for phase in rest(folder):
            stage.play(phase.number, phase.events)
        in_the_end = _seen(stage)
        assert stage.engine.stop() == 0, stage.engine.log[-3000:]
        in_the_end["models"] = list(_learnt(stage.state))
    return Expected(at_once, in_the_end)


def _learnt(state: Path) -> Iterator[str]:
    """Of each journey's newest models: what was learnt, from when to when, and how good they were."""
    store = ModelStore(models_folder(str(state)), MODEL_FORMAT)
    for journey in store.journeys():
        description, _ = store.read(journey, store.numbers(journey)[0])
        known = msgspec.to_builtins(description)
        yield line({name: known[name] for name in ("journey", "format", "catalogue", "labels", "figures", *_TRAINED)})


def _seen(stage: Stage) -> dict[str, list[str]]:
    """What is in Redis, then what the gateway answers: its own record of having been asked comes after."""
    found = stage.await_stillness()
    return found | {path: [line(_answer(stage, role, who, path))] for role, who, path in QUESTIONS}


def _answer(stage: Stage, role: str, who: str, path: str) -> object:
    answer = stage.http.get(path, headers=stage.token(role, who))
    if not answer.is_success:
        return [answer.status_code, answer.json().get("type")]
    document = answer.json()
    document.pop("epoch", None)
    if path in _NEWEST_FIRST:
        document["hints"].sort(key=lambda hint: hint["hint_id"])
    return cut(document)
