"""What is known of a silence, in bins."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.reasons.explanation import explained, what_moved
from operators.records.facts import FeatureEffect, Observation, Signal
from operators.tracking.features import attempt_features, bin_begins_ms, checkpoint_features, time_bin


@given(st.integers(0, 10**12))
def test_a_span_is_in_the_bin_that_begins_before_it(span_ms: int) -> None:
    number = time_bin(span_ms)
    assert bin_begins_ms(number) <= span_ms < bin_begins_ms(number + 1)
    assert number < 256


def test_nothing_later_than_the_last_event_is_known() -> None:
    signals = (Signal("step_failed", "pay", "a", None, 2), Signal("step_failed", "pay", "b", None, 2))
    seen = Observation("idle", 90_000, "a", "u", "loan", None, "pay", None, 60_000, signals, 10_000, b"\x05")
    known = attempt_features(seen)
    assert (known.age, known.struggle) == (time_bin(20_000), ("step_failed3",))
    friday_ms = 1_785_888_000_000 + 5 * 3_600_000
    assert (
        checkpoint_features(known, friday_ms + 60_000).hour,
        checkpoint_features(known, friday_ms + 60_000).weekday,
    ) == (5, 2)
    assert attempt_features(msgspec.structs.replace(seen, at_ms=150_000, idle_ms=120_000)).age == known.age


def test_what_moved_a_score_counts_together_what_means_the_same() -> None:
    effects = [("pay|age9", 0.2), ("pay|60000|age9", 0.3), ("pay|dwell0_3", -0.9), ("pay|60000|dwell1_3", 0.1)]
    assert what_moved(effects) == (FeatureEffect("dwell0_3", -0.9), FeatureEffect("age9", 0.5))


@pytest.mark.parametrize(
    ("feature", "effect", "zh", "en"),
    [
        ("age9", 0.5, "办理已用时约 24 秒：更可能不再继续", "About 24 seconds into it: less likely to finish"),
        (
            "dwell0_12",
            -0.5,
            "在上一步用时约 1 分钟：更可能继续完成",
            "About 1 minute at the step before: more likely to finish",
        ),
        (
            "dwell1_2",
            0.5,
            "在前第 2 步用时约 2 秒：更可能不再继续",
            "About 2 seconds at the step 2 before: less likely to finish",
        ),
        ("dwell0_none", 0.5, "刚开始办理：更可能不再继续", "Just begun: less likely to finish"),
        ("step_failed2", 0.5, "失败 2 次：更可能不再继续", "failed twice: less likely to finish"),
    ],
)
def test_what_moved_a_score_is_said_in_words(feature: str, effect: float, zh: str, en: str) -> None:
    words = explained(FeatureEffect(feature, effect))
    assert (words.zh, words.en) == (zh, en)
