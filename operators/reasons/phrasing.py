"""The texts of a hint: what to say first, and the evidence in plain language.

In: texts and titles from the catalogue, evidence from the reasons. Out: ``Words`` (zh, en).
Refused: nothing; a brace in a text that is not ``{journey}`` or ``{step}`` stays as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from operators.records.catalogue import Words
from operators.records.facts import Evidence, Signal

EXPLANATIONS: Final = 5
"""How many pieces of evidence a hint explains: what a person reads at a glance."""

_UNNAMED_STEP: Final = Words("这一步", "this step")

_FAILED: Final = Words("失败", "failed")
_EVENTS: Final = {
    "step_failed": _FAILED,
    "field_error": Words("填写出错", "filled in wrongly"),
    "back_and_forth": Words("来回查看", "visited"),
    "rage_click": Words("连续快速点击", "clicked rapidly"),
    "hesitation": Words("停顿较久", "paused for long"),
    "page_hidden": Words("离开页面", "left the page"),
    "dead_click": Words("点击没有反应", "clicked without effect"),
    "field_hesitation": Words("填写前停留较久", "thought about for long"),
    "page_loop": Words("反复打开同一页面", "went round in circles"),
}


def say(text: Words, journey: Words, step: Words | None) -> Words:
    """``text`` with ``{journey}`` and ``{step}`` filled in (no step: "this step")."""
    step = step or _UNNAMED_STEP
    return Words(_filled(text.zh, journey.zh, step.zh), _filled(text.en, _in_sentence(journey.en), step.en))


def explanation(evidence: Iterable[Evidence | Signal], steps: Mapping[str, Words]) -> tuple[Words, ...]:
    """The first few pieces of evidence, or of mere signals, as text. ``steps``: titles by id."""
    return tuple(text for text, _ in zip(_evidence_texts(evidence, steps), range(EXPLANATIONS), strict=False))


def _evidence_texts(evidence: Iterable[Evidence | Signal], steps: Mapping[str, Words]) -> Iterable[Words]:
    for item in evidence:
        kind = item.signal if isinstance(item, Evidence) else item.kind
        yield in_words(kind, _title(item.step, steps), item.code, item.field, item.count)


def in_words(kind: str, step: Words | None, code: str | None, field: str | None, count: int) -> Words:
    """One signal: ``人脸识别：失败 3 次（face_mismatch）``, ``Face check: failed 3 times (face_mismatch)``."""
    if kind == "at_step":
        text = Words("在此中断", "stopped here")
    else:
        name = _EVENTS.get(kind, Words(kind, kind))
        text = Words(f"{name.zh} {count} 次", f"{name.en} {_times_text(count)}")
        if field is not None:
            text = Words(f"{field} {text.zh}", f"{field} {text.en}")
        if code is not None:
            text = Words(f"{text.zh}（{code}）", f"{text.en} ({code})")
    return text if step is None else Words(f"{step.zh}：{text.zh}", f"{step.en}: {text.en}")


def _title(step: str | None, steps: Mapping[str, Words]) -> Words | None:
    return None if step is None else steps.get(step, Words(step, step))


def _times_text(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _in_sentence(title: str) -> str:
    """An English title in the middle of a sentence: a small first letter, but in abbreviations."""
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def _filled(text: str, journey: str, step: str) -> str:
    """In one pass: a title that itself holds braces is not filled in again."""
    pieces = text.split("{step}")
    return step.join(piece.replace("{journey}", journey) for piece in pieces)
