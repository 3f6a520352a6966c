"""What the pages say is true: examples run, links lead somewhere, commands and settings exist."""

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from config.settings.load import variable_of
from config.settings.table import Settings
from tests.documentation.examples import agrees, run
from tests.documentation.pages import (
    RUN_MARK,
    Block,
    anchors,
    blocks,
    exchanges,
    links,
    make_commands,
    settings,
    zhiyin_commands,
)
from tests.parts.machine import ROOT
from zhiyin.cli.command_reference import subcommands
from zhiyin.cli.parser import command_parser

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
TEXTS = {page: page.read_text("utf-8") for page in PAGES}
OTHER_VARIABLES = {
    "ZHIYIN_REQUIRE",
    "ZHIYIN_TEST_REDIS_URL",
    "ZHIYIN_TEST_KAFKA",
    "ZHIYIN_TEST_SCENARIOS",
    "ZHIYIN_TEST_BACKPRESSURE_S",
    "ZHIYIN_NAME",
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f"{name_of(page)}:{block.line}", marks=[pytest.mark.requires(*block.parts)])
        for page, text in TEXTS.items()
        for block in blocks(text)
        if block.run
    ]


@pytest.mark.parametrize("block", run_blocks())
def test_an_example_that_is_marked_runs(block: Block, tmp_path: Path) -> None:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("ZHIYIN_")}
    if block.language == "python":
        status, printed = run([sys.executable, "-c", block.text], environment, tmp_path)
        assert status == 0, printed
        return
    assert block.language == "console", f"only console and python blocks are run, not {block.language or 'plain'}"
    for command, expected in exchanges(block.text):
        status, printed = run(["bash", "-c", command], environment, tmp_path)
        assert agrees(expected, printed), f"$ {command}\nexpected:\n{expected}\nprinted (exit {status}):\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_run_mark_stands_right_above_a_block(page: Path) -> None:
    marks = len(RUN_MARK.findall(TEXTS[page]))
    assert marks == sum(block.run for block in blocks(TEXTS[page]))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_in_pages_can_be_read(page: Path) -> None:
    for block in blocks(TEXTS[page]):
        try:
            _read(block)
        except (SyntaxError, json.JSONDecodeError, yaml.YAMLError) as error:
            pytest.fail(f"{name_of(page)}:{block.line}: this is not {block.language}: {error}")


def _read(block: Block) -> None:
    if block.language == "python":
        ast.parse(block.text)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language in {"yaml", "yml"}:
        list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_inside_the_house_lead_somewhere(page: Path) -> None:
    assert [link for link in links(TEXTS[page]) if not _leads(page, link)] == []


def _leads(page: Path, link: str) -> bool:
    if "://" in link or link.startswith("mailto:"):
        return True
    place, _, anchor = unquote(link).partition("#")
    target = (page.parent / place).resolve() if place else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_pages_name_exist(page: Path) -> None:
    known = {name: _long_options(name) for name in subcommands(command_parser())}
    for command in zhiyin_commands(TEXTS[page]):
        assert command.name in known, f"{name_of(page)} names 'zhiyin {command.name}'; there are {', '.join(known)}"
        strange = set(command.options) - known[command.name]
        assert not strange, f"{name_of(page)}: 'zhiyin {command.name}' has no {', '.join(sorted(strange))}"


def _long_options(command: str) -> set[str]:
    """Those of the command, and of its actions if it has some."""
    parser = subcommands(command_parser())[command]
    helps = " ".join(each.format_help() for each in (parser, *subcommands(parser).values()))
    words = helps.replace("[", " ").replace("]", " ").split()
    return {word.strip(",|()") for word in words if word.startswith("--")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_that_pages_name_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [target for target in make_commands(TEXTS[page]) if f"\n{target}: " not in makefile] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_variables_that_pages_name_are_read(page: Path) -> None:
    known = OTHER_VARIABLES | {variable_of(name) for name in Settings.__struct_fields__}
    assert settings(TEXTS[page]) - known == set()


class TestReader:
    """The reader itself: it would be no use if it saw nothing."""

    page = """# A page: `one` & *two*

Say `zhiyin up --demo --port=0`, or [read on](other.md#there). `[not a link](nowhere)`

<!-- run requires=redis,node -->
```console
$ echo one \\
    two
one ...
$ true
```

```python
zhiyin = 1
```

Then `CI=1 make tea`.
"""

    def test_finds_blocks_with_their_marks(self) -> None:
        first, second = blocks(self.page)
        assert (first.language, first.line, first.run, first.parts) == ("console", 7, True, ("redis", "node"))
        assert (second.language, second.run, second.parts) == ("python", False, ())

    def test_splits_a_console_block(self) -> None:
        echo, true = exchanges(blocks(self.page)[0].text)
        assert (echo.command.split(), echo.printed) == (["echo", "one", "two"], "one ...\n")
        assert (true.command, true.printed) == ("true", "")

    def test_finds_links_and_anchors(self) -> None:
        assert links(self.page) == ["other.md#there"]
        assert anchors(self.page) == {"a-page-one--two"}

    def test_finds_commands(self) -> None:
        assert zhiyin_commands(self.page) == [("up", ("--demo", "--port"))]
        assert make_commands(self.page) == {"tea"}
        assert zhiyin_commands("`.venv/bin/python -m zhiyin check [--catalog F] | jq --raw`") == [
            ("check", ("--catalog",))
        ]

    def test_a_link_that_leads_nowhere_is_seen(self) -> None:
        assert not _leads(ROOT / "SECURITY.md", "no-such-page.md")
        assert not _leads(ROOT / "SECURITY.md", "#no-such-heading")
        assert _leads(ROOT / "SECURITY.md", "#reporting")

    def test_an_output_that_differs_is_seen(self) -> None:
        assert agrees("one ... three", "one two three\n")
        assert not agrees("one", "two")
