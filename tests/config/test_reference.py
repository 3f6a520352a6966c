"""The reference pages are what the code says, and their example works."""

from pathlib import Path

import msgspec
import pytest

from config import Settings, load_catalogue
from config.loader.fields import SECTIONS, SENTENCES
from config.reference import EXAMPLE, reference_pages, write_reference_pages
from tests.parts.machine import ROOT


@pytest.mark.parametrize("page", sorted(reference_pages()))
def test_the_committed_page_is_the_written_one(page: str) -> None:
    assert (ROOT / page).read_text("utf-8") == reference_pages()[page], (
        "write the pages anew: python -m config.reference"
    )


def test_the_pages_are_written_below_a_root(tmp_path: Path) -> None:
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    write_reference_pages(tmp_path)
    written = {name: (tmp_path / name).read_text("utf-8") for name in reference_pages()}
    assert written == reference_pages()


def test_the_example_is_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(EXAMPLE, encoding="utf-8")
    assert set(load_catalogue(path).reasons) == {"face_check", "unknown"}


def test_every_field_of_the_catalogue_has_a_sentence() -> None:
    fields = {
        record.__name__: {field.encode_name for field in msgspec.structs.fields(record)} for record, _, _ in SECTIONS
    }
    assert {name: set(sentences) for name, sentences in SENTENCES.items()} == fields


def test_every_record_of_the_catalogue_has_a_section() -> None:
    records = set(msgspec.json.schema(SECTIONS[0][0])["$defs"])
    assert records == {record.__name__ for record, _, _ in SECTIONS}


def test_every_setting_has_its_row() -> None:
    page = reference_pages()["docs/reference/settings.md"]
    missing = [field.name for field in msgspec.structs.fields(Settings) if f"| `{field.name}` |" not in page]
    assert missing == []


def test_rows_have_as_many_cells_as_their_heading() -> None:
    for page in reference_pages().values():
        for table in page.split("\n\n"):
            rows = [line for line in table.splitlines() if line.startswith("|")]
            assert len({row.replace("\\|", "").count("|") for row in rows}) <= 1
