"""Dead letters in words: a table, counts, one letter whole, and what to do about it.

In: letters, and now. Out: text that is safe on a terminal: what is not printable in what customers sent is
written as the escapes of JSON.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from operators.support.timestamps import MILLISECONDS, iso_text, to_ms
from state.dead_letters.store import ListedLetter

FOREIGN: Final = "foreign"
"""The kind of what Zhiyin did not write."""
_WIDEST_FOUND: Final = 40
_HEADS: Final = ("ID", "KIND", "REFUSED", "AGE", "CUSTOMER", "WHERE", "REDRIVEN")

_CATALOGUE: Final = (
    "The sender knows a {what} that the catalogue does not. When the sender is right: put it into the catalogue,\n"
    "run 'zhiyin check', restart the engine, then redrive. When it is a slip of the pen: mend the sender; redriven\n"
    "it would be refused again."
)
_NOT_FROM_THE_COLLECTOR: Final = (
    "The collector refuses such events, so something else wrote it to the bus: find out what, and mend it there.\n"
    "Redriven it is refused again, unless this version of Zhiyin takes what the one that refused it did not."
)
ADVICE: Final[Mapping[str, str]] = {
    "unknown_journey": _CATALOGUE.format(what="journey"),
    "unknown_step": _CATALOGUE.format(what="step"),
    "no_journey": _NOT_FROM_THE_COLLECTOR,
    "wrong_type": _NOT_FROM_THE_COLLECTOR,
    "not_json": _NOT_FROM_THE_COLLECTOR,
    "no_customer": _NOT_FROM_THE_COLLECTOR,
    "no_time": _NOT_FROM_THE_COLLECTOR,
    "time_out_of_range": (
        "The event says that it happened before the year 2000, or after it arrived: clocks that differ, the sender's,\n"
        "or those of gateway and engine. Mend the clock. One from the future can be redriven once its time has come."
    ),
    FOREIGN: "Zhiyin did not write this, and cannot redrive it: see what else writes where dead letters are kept.",
}
_OTHER: Final = "Mend what is wrong above, then redrive; what is refused again becomes a new letter."


def kind_of(letter: ListedLetter) -> str:
    """Why it was refused, in a word."""
    return FOREIGN if letter.letter is None else letter.letter.failure.kind


def row(letter: ListedLetter) -> dict[str, Any]:
    """One letter in short, for programs; null where nobody knows."""
    read = letter.letter
    first = read.failure.messages[0] if read is not None and read.failure.messages else None
    time = None if read is None else read.payload.time
    return {
        "id": letter.id,
        "kind": kind_of(letter),
        "refused_at": iso_text(letter.written_ms),
        "customer_id": None if read is None else read.event().customer_id or None,
        "time": None if time is None else iso_text(to_ms(time)),
        "path": None if first is None else first.path,
        "found": None if first is None else first.found,
        "expected": None if first is None else first.expected,
        "redriven_at": None if letter.redriven_ms is None else iso_text(letter.redriven_ms),
    }


def table(letters: Sequence[ListedLetter], now_ms: int) -> str:
    """Letters as lines of a table, under its heads."""
    rows = [_HEADS, *(_cells(letter, now_ms) for letter in letters)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(_HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def counts_in_words(counts: Mapping[str, int]) -> str:
    """``unknown_step 1,100, not_json 4``: most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{printable(kind)} {count:,}" for kind, count in ordered)


def summary(counts: Counter[str], redriven: Counter[str]) -> str:
    """How many there are of each kind, and how many of them were redriven."""
    width = max(map(len, counts), default=0)
    lines = [
        f"{printable(kind):<{width}}  {count:>7,}" + (f", {redriven[kind]:,} redriven" if redriven[kind] else "")
        for kind, count in counts.most_common()
    ]
    return "".join(f"{line}\n" for line in lines)


def letters_in_words(count: int) -> str:
    """``1 letter``, ``1,204 letters``."""
    return f"{count:,} letter" if count == 1 else f"{count:,} letters"


def whole(letter: ListedLetter, now_ms: int) -> str:
    """Everything about one letter, for a person."""
    parts = [_facts(letter, now_ms), f"what to do\n{indented(ADVICE.get(kind_of(letter), _OTHER))}"]
    if letter.letter is not None:
        raw = letter.letter.raw
        messages = [
            f"{message.path}: found {message.found}, expected {message.expected}"
            for message in letter.letter.failure.messages
        ]
        parts.insert(1, f"what is wrong\n{indented(printable(chr(10).join(messages)))}")
        parts.append(f"the event, {len(raw):,} bytes\n{indented(pretty(raw))}")
    parts.append(f"the letter as it was written\n{indented(pretty(letter.document))}")
    return "\n".join(parts)


def pretty(raw: bytes) -> str:
    """JSON laid out, anything else as text; safe on a terminal either way."""
    try:
        return printable(json.dumps(json.loads(raw), ensure_ascii=False, indent=2))
    except (ValueError, RecursionError):
        return printable(raw.decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """``text`` without what a terminal would obey; line breaks stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )


def indented(text: str) -> str:
    """``text`` two steps to the right, each line ended."""
    return "".join(f"  {line}\n" for line in text.split("\n"))


def age(span_ms: int) -> str:
    """``40 s``, ``3 m``, ``2 h``, ``5 d``: the largest unit that fits."""
    unit = next((name for name in ("d", "h", "m") if span_ms >= MILLISECONDS[name]), "s")
    return f"{max(0, span_ms) // MILLISECONDS[unit]} {unit}"


def _cells(letter: ListedLetter, now_ms: int) -> tuple[str, ...]:
    record = row(letter)
    value = record["found"] or ""
    shown = value if len(value) <= _WIDEST_FOUND else value[: _WIDEST_FOUND - 3] + "..."
    cells = (
        record["id"],
        record["kind"],
        record["refused_at"],
        age(now_ms - letter.written_ms),
        record["customer_id"] or "-",
        f"{record['path']} {shown}" if record["path"] else "-",
        "-" if letter.redriven_ms is None else record["redriven_at"],
    )
    return tuple(printable(cell).replace("\n", "\\n") for cell in cells)


def _facts(letter: ListedLetter, now_ms: int) -> str:
    record = row(letter)
    by = "" if letter.letter is None else f", by {letter.letter.processor.artifact} {letter.letter.processor.version}"
    lines = {
        "letter": record["id"],
        "kind": record["kind"],
        "refused": f"{record['refused_at']}, {age(now_ms - letter.written_ms)} ago{by}",
        "customer": record["customer_id"] or "nobody knows",
        "happened": record["time"] or "nobody knows",
        "redriven": record["redriven_at"] or "no",
    }
    return "".join(f"{head:<10}{printable(text)}\n" for head, text in lines.items())
