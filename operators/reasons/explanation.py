"""Why a score is what it is: the few features that moved it most, in text that an agent reads.

In: what each feature adds to the log-odds of not completing. Out: the few largest, those of one meaning put together;
sentences in both languages. Refused: nothing; what is too small to matter is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from operators.reasons.phrasing import in_words
from operators.records.catalogue import Words
from operators.records.facts import FeatureEffect
from operators.tracking.features import bin_begins_ms

MOST: Final = 3
LEAST_EFFECT: Final = 0.15
"""Log-odds below this are not worth a sentence: less than four points of a hundred at best."""
_MINUTE_MS: Final = 60_000
_DIRECTIONS: Final = {
    "": (Words("更可能不再继续", "less likely to finish"), Words("更可能继续完成", "more likely to finish")),
    "contact": (
        Words("更可能主动联系我们", "more likely to contact us"),
        Words("不太会联系我们", "less likely to contact us"),
    ),
    "person": (
        Words("更需要人工协助", "more in need of a person"),
        Words("不太需要人工协助", "less in need of a person"),
    ),
    "reason": (
        Words("更可能是这个原因", "this reason is likelier"),
        Words("不太像是这个原因", "this reason is less likely"),
    ),
}
"""By question: the text of an effect towards yes, and towards no."""
Titles = Mapping[str, Words]
_UNTITLED: Final[Titles] = {}
_PREFIXES: Final = {"because": Words("原因：", "Because:"), "at": Words("停在：", "Stopped at:")}


def what_moved(effects: Iterable[tuple[str, float]]) -> tuple[FeatureEffect, ...]:
    """The features that moved a score most, largest first; one in step and in checkpoint counts together."""
    sums: dict[str, float] = {}
    for token, effect in effects:
        feature = token.rpartition("|")[2]
        sums[feature] = sums.get(feature, 0.0) + effect
    large = [(feature, effect) for feature, effect in sums.items() if abs(effect) >= LEAST_EFFECT]
    large.sort(key=lambda each: (-abs(each[1]), each[0]))
    return tuple(FeatureEffect(feature, round(effect, 3)) for feature, effect in large[:MOST])


def explained(contribution: FeatureEffect, reasons: Titles = _UNTITLED, steps: Titles = _UNTITLED) -> Words:
    """``整个办理用时约 3 分钟：更可能不再继续``, ``About 3 minutes into it: less likely to finish``.

    ``reasons``, ``steps``: titles by code and id.
    """
    question, _, feature = contribution.feature.rpartition(":")
    more, less = _DIRECTIONS[question]
    text, direction = _feature_text(feature, reasons, steps), more if contribution.effect > 0 else less
    return Words(f"{text.zh}：{direction.zh}", f"{text.en}: {direction.en}")


def _feature_text(feature: str, reasons: Titles, steps: Titles) -> Words:
    if feature == "confirmed":
        return Words("坐席过往的反馈", "What agents said in such cases")
    name, _, value = feature.partition("=")
    if name in _PREFIXES:
        titles = reasons if name == "because" else steps
        prefix, title = _PREFIXES[name], titles.get(value, Words(value, value))
        return Words(f"{prefix.zh}{title.zh}", f"{prefix.en} {title.en}")
    if feature == "dwell0_none":
        return Words("刚开始办理", "Just begun")
    if feature.startswith("age"):
        duration = _duration_text(int(feature.removeprefix("age")))
        return Words(f"办理已用时约 {duration.zh}", f"About {duration.en} into it")
    if feature.startswith("dwell"):
        index, _, number = feature.removeprefix("dwell").partition("_")
        duration = _duration_text(int(number))
        distance = int(index) + 1
        zh = "上一步" if distance == 1 else f"前第 {distance} 步"
        en = "the step before" if distance == 1 else f"the step {distance} before"
        return Words(f"在{zh}用时约 {duration.zh}", f"About {duration.en} at {en}")
    kind, count = feature[:-1], int(feature[-1])
    return in_words(kind, None, None, None, count)


def _duration_text(number: int) -> Words:
    """The length of a bin, roughly."""
    begins_ms = bin_begins_ms(number)
    if begins_ms < _MINUTE_MS:
        seconds = round(begins_ms / 1000)
        return Words(f"{seconds} 秒", "1 second" if seconds == 1 else f"{seconds} seconds")
    minutes = round(begins_ms / _MINUTE_MS)
    return Words(f"{minutes} 分钟", "1 minute" if minutes == 1 else f"{minutes} minutes")
