"""The words of a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.reasons.phrasing import EXPLANATIONS, explanation, in_words, say
from operators.records.catalogue import Words
from operators.records.facts import Evidence, Signal
from tests.operators.samples import LOAN, TITLES

FACE = TITLES["face_check"]


def test_titles_are_filled_in() -> None:
    text = Words("您的{journey}停在“{step}”,{step}?", 'Your {journey} stopped at "{step}".')
    assert say(text, LOAN, FACE) == Words(
        "您的保单贷款停在“人脸识别”,人脸识别?", 'Your policy loan stopped at "Face check".'
    )


def test_without_a_step_it_says_this_step() -> None:
    assert say(Words("{step}", "{step}"), LOAN, None) == Words("这一步", "this step")


def test_other_braces_and_titles_with_braces_stay() -> None:
    odd = Words("{step}", "{journey}")
    assert say(Words("{x} {journey} {", "{0} {step} }"), odd, odd) == Words("{x} {step} {", "{0} {journey} }")


@given(st.text(), st.text(), st.text())
def test_any_text_can_be_filled(text: str, journey: str, step: str) -> None:
    say(Words(text, text), Words(journey, journey), Words(step, step))


@pytest.mark.parametrize(
    ("kind", "code", "field", "count", "zh", "en"),
    [
        (
            "step_failed",
            "face_mismatch",
            None,
            3,
            "人脸识别：失败 3 次（face_mismatch）",
            "Face check: failed 3 times (face_mismatch)",
        ),
        ("step_failed", None, None, 1, "人脸识别：失败 1 次", "Face check: failed once"),
        (
            "field_error",
            "format",
            "phone",
            2,
            "人脸识别：phone 填写出错 2 次（format）",
            "Face check: phone filled in wrongly twice (format)",
        ),
        ("back_and_forth", None, None, 4, "人脸识别：来回查看 4 次", "Face check: visited 4 times"),
        (
            "rage_click",
            "submit",
            None,
            1,
            "人脸识别：连续快速点击 1 次（submit）",
            "Face check: clicked rapidly once (submit)",
        ),
        ("hesitation", None, None, 1, "人脸识别：停顿较久 1 次", "Face check: paused for long once"),
        ("page_hidden", None, None, 1, "人脸识别：离开页面 1 次", "Face check: left the page once"),
        ("at_step", None, None, 1, "人脸识别：在此中断", "Face check: stopped here"),
        (
            "dead_click",
            "submit",
            None,
            2,
            "人脸识别：点击没有反应 2 次（submit）",
            "Face check: clicked without effect twice (submit)",
        ),
        (
            "field_hesitation",
            None,
            "phone",
            3,
            "人脸识别：phone 填写前停留较久 3 次",
            "Face check: phone thought about for long 3 times",
        ),
        (
            "page_loop",
            "/loan",
            None,
            1,
            "人脸识别：反复打开同一页面 1 次（/loan）",
            "Face check: went round in circles once (/loan)",
        ),
        ("mouse_shaken", None, None, 1, "人脸识别：mouse_shaken 1 次", "Face check: mouse_shaken once"),
    ],
)
def test_each_signal_in_words(kind: str, code: str | None, field: str | None, count: int, zh: str, en: str) -> None:
    assert in_words(kind, FACE, code, field, count) == Words(zh, en)


def test_without_a_step_it_begins_with_what_happened() -> None:
    assert in_words("step_failed", None, "x", None, 2) == Words("失败 2 次（x）", "failed twice (x)")


def test_evidence_and_signals_are_explained_alike() -> None:
    evidence = Evidence("hesitation", "face_check", None, None, 1, 0.5)
    signal = Signal("hesitation", "face_check", None, None, 1)
    assert explanation([evidence], TITLES) == explanation([signal], TITLES)


def test_an_explanation_is_short_and_an_unknown_step_has_its_own_name() -> None:
    signals = [Signal("step_failed", "gone", str(number), None, 1) for number in range(9)]
    words = explanation(signals, TITLES)
    assert len(words) == EXPLANATIONS
    assert words[0] == Words("gone：失败 1 次（0）", "gone: failed once (0)")
