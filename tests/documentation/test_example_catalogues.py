"""Whole catalogues that pages show are catalogues."""

from pathlib import Path

import pytest
import yaml

from config import load_catalogue
from tests.documentation.pages import blocks
from tests.parts.machine import ROOT
from zhiyin.simulate.run import SimulationPlan, write_file

WHOLE = {"journeys", "reasons"}


def whole_catalogues() -> list[tuple[str, str]]:
    """Each YAML block that is a catalogue, with where it stands."""
    return [
        (f"{page.relative_to(ROOT)}:{block.line}", block.text)
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for block in blocks(page.read_text("utf-8"))
        if block.language == "yaml" and (yaml.safe_load(block.text) or {}).keys() >= WHOLE
    ]


@pytest.mark.parametrize("text", [pytest.param(text, id=place) for place, text in whole_catalogues()])
def test_a_catalogue_that_a_page_shows_loads_and_can_be_simulated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text, "utf-8")
    catalogue = load_catalogue(path)
    assert (
        write_file(catalogue, SimulationPlan(customers=20, seed=1, duration_ms=600_000), tmp_path / "events.ndjson") > 0
    )


def test_the_page_about_journeys_shows_one() -> None:
    assert any(place.startswith("docs/how-to/write-a-journey.md") for place, _ in whole_catalogues())
