"""The catalogue we ship: an insurer's journeys, the causes of its counter, and help in both languages."""

import re

import pytest

from config import load_catalogue
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import UNKNOWN, Catalogue, Words
from operators.records.facts import Signal
from tests.parts.machine import ROOT

FOLDER = ROOT / "config" / "catalog"
HAN = re.compile("[一-鿿]")
LATIN_PUNCTUATION = re.compile("[一-鿿][,;?!]")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(FOLDER)


def wordings(catalogue: Catalogue) -> list[Words]:
    titles = [journey.title for journey in catalogue.journeys.values()]
    titles += [step.title for journey in catalogue.journeys.values() for step in journey.steps]
    reasons = catalogue.reasons.values()
    return titles + [
        words for each in reasons for words in (each.title, each.say, each.article.title, each.article.body)
    ]


def test_it_has_the_journeys_of_an_insurer(catalogue: Catalogue) -> None:
    assert set(catalogue.journeys) == {
        "policy_loan",
        "claim",
        "premium_payment",
        "beneficiary_change",
        "contact_details_change",
        "surrender",
        "new_application",
        "renewal",
        "callback_survey",
    }


def test_it_knows_the_causes_of_the_counter(catalogue: Catalogue) -> None:
    assert set(catalogue.reasons) >= {
        "face_check",
        "id_photo",
        "sms_code",
        "payment",
        "e_signature",
        "health_declaration",
        "beneficiary_form",
        "missing_document",
        "system_error",
        UNKNOWN,
    }


def test_every_journey_ends_with_a_final_step_and_every_step_has_an_owner(catalogue: Catalogue) -> None:
    for name, journey in catalogue.journeys.items():
        assert [step.final for step in journey.steps] == [False] * (len(journey.steps) - 1) + [True], name
        assert all(step.owner is not None for step in journey.steps), name


def test_steps_are_named_in_snake_case(catalogue: Catalogue) -> None:
    names = {step.id for journey in catalogue.journeys.values() for step in journey.steps}
    assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+)*", name)] == []


def test_hesitation_comes_before_the_break_off(catalogue: Catalogue) -> None:
    faster = {
        (name, step.id)
        for name, journey in catalogue.journeys.items()
        for step in journey.steps
        if _ms(step.hesitation_after or catalogue.struggle.hesitation_after) >= journey.idle_after_ms(step)
    }
    assert faster == set()


def _ms(text: str) -> int:
    return int(text[:-1]) * {"s": 1_000, "m": 60_000}[text[-1]]


def test_chinese_is_chinese_and_english_is_english(catalogue: Catalogue) -> None:
    for words in wordings(catalogue):
        assert HAN.search(words.zh), words
        assert not HAN.search(words.en), words
        assert not LATIN_PUNCTUATION.search(words.zh), words


def test_articles_help_concretely(catalogue: Catalogue) -> None:
    for code, reason in catalogue.reasons.items():
        steps = [text.count("\n") + 1 for text in (reason.article.body.zh, reason.article.body.en)]
        assert steps[0] == steps[1] >= 4, code


@pytest.mark.parametrize(
    ("code", "step", "reason"),
    [
        ("face_mismatch", "face_check", "face_check"),
        ("liveness_timeout", "face_check", "face_check"),
        ("camera_denied", "face_check", "face_check"),
        ("id_photo_blurred", "id_photo", "id_photo"),
        ("ocr_unreadable", "id_photo", "id_photo"),
        ("sms_timeout", "sms_code", "sms_code"),
        ("otp_expired", "sms_code", "sms_code"),
        ("payment_declined", "payment", "payment"),
        ("card_not_supported", "bank_card", "payment"),
        ("insufficient_funds", "payment", "payment"),
        ("sign_unrecognised", "e_signature", "e_signature"),
        ("signature_mismatch", "e_signature", "e_signature"),
        ("health_review_needed", "health_declaration", "health_declaration"),
        ("beneficiary_share_sum", "beneficiary_form", "beneficiary_form"),
        ("document_missing", "upload_documents", "missing_document"),
        ("upload_too_big", "upload_documents", "missing_document"),
        ("http_502", "confirm", "system_error"),
        ("500", "confirm", "system_error"),
        ("timeout", "face_check", "system_error"),
    ],
)
def test_one_failure_with_a_code_of_ours_names_the_cause(
    catalogue: Catalogue, code: str, step: str, reason: str
) -> None:
    best = ReasonRules(catalogue).rank([Signal("step_failed", step, code, None, 1)], step)[0]
    assert best.code == reason
    assert best.confidence >= 0.6


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("health_declaration", "health_declaration"),
        ("surrender_value", "second_thoughts"),
        ("quote", "second_thoughts"),
        ("upload_documents", "missing_document"),
        ("sms_code", "sms_code"),
        ("questions", "form_trouble"),
    ],
)
def test_hesitation_speaks_for_what_the_step_is_about(catalogue: Catalogue, step: str, reason: str) -> None:
    assert ReasonRules(catalogue).rank([Signal("hesitation", step, None, None, 1)], step)[0].code == reason


@pytest.mark.parametrize("step", ["confirm", "face_check", "payment", "choose_policy"])
def test_without_signals_the_cause_is_unknown(catalogue: Catalogue, step: str) -> None:
    assert ReasonRules(catalogue).rank([], step)[0].code == UNKNOWN


def test_one_rage_click_is_no_reason(catalogue: Catalogue) -> None:
    signal = Signal("rage_click", "confirm", "submit", None, 1)
    assert ReasonRules(catalogue).rank([signal], "confirm")[0].code == UNKNOWN


@pytest.mark.parametrize(
    ("noticed", "reason"),
    [
        ([Signal("dead_click", "confirm", "submit", None, 1)], UNKNOWN),
        ([Signal("dead_click", "confirm", "submit", None, 2)], "system_error"),
        ([Signal("page_loop", "confirm", "/loan", None, 1)], UNKNOWN),
        (
            [Signal("page_loop", "confirm", "/loan", None, 1), Signal("rage_click", "confirm", "submit", None, 1)],
            "system_error",
        ),
        ([Signal("field_hesitation", "confirm", None, "amount", 2)], UNKNOWN),
        ([Signal("field_hesitation", "confirm", None, "amount", 3)], "form_trouble"),
    ],
)
def test_what_the_page_noticed_is_a_reason_when_it_came_again(
    catalogue: Catalogue, noticed: list[Signal], reason: str
) -> None:
    assert ReasonRules(catalogue).rank(noticed, "confirm")[0].code == reason


def test_it_keeps_to_the_house_rules(catalogue: Catalogue) -> None:
    quiet = catalogue.quiet_hours
    assert quiet is not None
    assert (quiet.zone, quiet.start, quiet.end, quiet.on_conflict) == ("Asia/Shanghai", "22:00", "08:00", "defer")
    assert catalogue.control_group.share == 0.05
    assert {journey.idle_after for journey in catalogue.journeys.values()} >= {"5m"}


def test_its_files_are_short() -> None:
    assert [path.name for path in FOLDER.iterdir() if len(path.read_text("utf-8").splitlines()) >= 400] == []
