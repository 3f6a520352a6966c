"""Picks the language of a wording from ``Accept-Language``.

In: the header as it came, or None. Out: ``zh`` or ``en``. Refused: nothing; a header
that cannot be read, or asks for neither, gives ``zh``.
"""

from typing import Final

LANGUAGES: Final = ("zh", "en")
TAGS: Final = {"zh": "zh-CN", "en": "en"}


def picked_language(accept_language: str | None) -> str:
    """The one of our languages that the reader likes best; zh-CN where that is a tie."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameter = part.partition(";")
        language, weight = tag.strip().lower().partition("-")[0], _weight(parameter)
        if language in LANGUAGES and (weight > best_weight or (weight == best_weight and language == LANGUAGES[0])):
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
