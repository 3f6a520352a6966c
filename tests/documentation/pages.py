"""Reads our Markdown pages: fenced blocks, links, headings, commands.

In: the text of a page. Out: what it holds, with line numbers. Nothing is run here.

A block is run by the tests when the line above its fence is ``<!-- run -->``, or ``<!-- run requires=redis -->`` for
parts a machine may lack (``tests/parts/machine.py``). In a ``console`` block lines with ``$ `` are commands and the
lines below them what they print; a ``python`` block must end without an error. ``...`` stands for anything.
"""

import re
import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

FENCE: Final = re.compile(
    r"^(?:<!-- run(?: requires=(?P<parts>[a-z_,]+))? -->(?P<run>)\n)?"
    r"```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK: Final = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
CODE_SPAN: Final = re.compile(r"`([^`\n]+)`")
COMMAND: Final = re.compile(r"(?:^|[\s|;&(])(?:[\w./-]*python[\d.]* -m )?zhiyin ([a-z][a-z-]*)\b([^|;&>#)\n]*)")
MAKE: Final = re.compile(r"(?:^|\$ |&& |; )(?:[A-Z_]+=\S* )*make ([a-z]+)\b")
SETTING: Final = re.compile(r"\bZHIYIN_[A-Z][A-Z_]*[A-Z]\b")
RUN_MARK: Final = re.compile(r"<!-- *run\b")


class Block(NamedTuple):
    """One fenced block; ``parts`` is what a run of it needs of the machine."""

    line: int
    language: str
    text: str
    run: bool
    parts: tuple[str, ...]


class Exchange(NamedTuple):
    """One command of a console block and what the page says it prints."""

    command: str
    printed: str


class Command(NamedTuple):
    """One ``zhiyin`` command in code and its long options."""

    name: str
    options: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks that begin a line."""
    return [
        Block(
            page.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["text"],
            found["run"] is not None,
            tuple((found["parts"] or "").split(",")) if found["parts"] else (),
        )
        for found in FENCE.finditer(page)
    ]


def exchanges(console: str) -> list[Exchange]:
    """Split a console block; a command goes on over lines that end in a backslash."""
    joined = console.replace("\\\n", " ")
    pieces = re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]
    return [Exchange(command, printed) for command, _, printed in (piece.partition("\n") for piece in pieces)]


def prose(page: str) -> str:
    """Return the page with its fenced blocks blanked, lines kept."""
    return FENCE.sub(lambda found: "\n" * found.group().count("\n"), page)


def links(page: str) -> list[str]:
    """Return the targets of all links and images outside of code."""
    return LINK.findall(CODE_SPAN.sub("``", prose(page)))


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings, as hosts of Markdown make them."""
    titles = (re.sub(r"[`*\[\]]|\([^)]*\)(?=\s|$)(?<=\))", "", title) for title in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def code(page: str) -> Iterator[str]:
    """Yield every line of code: in fenced blocks (not those of plain ``text``) and in spans."""
    for block in blocks(page):
        if block.language != "text":
            yield from block.text.replace("\\\n", " ").splitlines()
    yield from CODE_SPAN.findall(prose(page))


def zhiyin_commands(page: str) -> list[Command]:
    """Return what the page tells readers to type after ``zhiyin``."""
    return [Command(name, tuple(_options(rest))) for line in code(page) for name, rest in COMMAND.findall(line)]


def make_commands(page: str) -> set[str]:
    """Return the targets that the page tells readers to make."""
    return {target for line in code(page) for target in MAKE.findall(line)}


def settings(page: str) -> set[str]:
    """Return the ``ZHIYIN_`` variables that the page names."""
    return set(SETTING.findall(page))


def _options(rest: str) -> Iterator[str]:
    try:
        words = shlex.split(rest)
    except ValueError:  # a quotation that goes on over the end of the line
        words = rest.split()
    for word in words:
        bare = word.strip("[](),.:")
        if bare.startswith("--"):
            yield bare.partition("=")[0]
