"""``check``: settings and catalogue, every problem at once."""

from pathlib import Path

from config.check import check, check_catalogue
from tests.config.loader.catalogues import GOOD, spoiled
from tests.parts.machine import ROOT


def test_what_we_ship_is_sound() -> None:
    assert check({}, None, {"catalogue": ROOT / "config" / "catalog"}) == []


def test_settings_and_catalogue_are_told_together(tmp_path: Path) -> None:
    catalogue = tmp_path / "c.yaml"
    catalogue.write_text(spoiled("hints: 2", "hints: none"), encoding="utf-8")
    settings = tmp_path / "s.yaml"
    settings.write_text(f"catalogue: {catalogue}\nhttp_port: 99999\n")
    assert [str(each) for each in check({"ZHIYIN_SPED": "2"}, settings)] == [
        f"{settings}:2: http_port: found 99999, expected at most 65535",
        "environment: ZHIYIN_SPED: found a variable we do not know, expected ZHIYIN_SPEED (is that what was meant?)",
        f"{catalogue}:32: caps.hints: found 'none', expected a whole number",
    ]


def test_the_strongest_source_names_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD, encoding="utf-8")
    environ = {"ZHIYIN_CATALOGUE": str(tmp_path / "none.yaml")}
    assert check(environ, None, {"catalogue": tmp_path / "good.yaml"}) == []
    assert [each.found for each in check(environ)] == ["no such file or directory"]


def test_one_catalogue_can_be_checked_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(GOOD.replace("lateness", "latenes"), encoding="utf-8")
    assert [each.path for each in check_catalogue(path)] == ["latenes"]
