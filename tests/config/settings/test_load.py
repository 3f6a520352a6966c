"""Settings from file, environment and command line, and everything that is refused."""

import os
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigurationError, Settings, load_settings
from config.settings.load import as_environment, child_environment, variable_of

SECRET = "s" * 32
QUOTED = "expected a text (in quotes if it looks like a number or a switch)"


def refused(
    environ: dict[str, str] | None = None, file: Path | None = None, overrides: dict[str, object] | None = None
) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load_settings(environ or {}, file, overrides)
    return [str(each) for each in error.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.redis_url is None
    assert (settings.http_port, settings.ws_port) == (8080, 8081)
    assert settings.desks == ("desk-1",)
    assert settings.catalogue == "config/catalog"


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("ZHIYIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZHIYIN_HTTP_PORT", "1234")
    monkeypatch.setenv("REDIS_URL", "redis://h:1/0")
    settings = load_settings()
    assert (settings.http_port, settings.redis_url) == (1234, "redis://h:1/0")


def test_every_type_is_read_from_the_environment() -> None:
    settings = load_settings(
        {
            "ZHIYIN_HTTP_PORT": " 0 ",
            "ZHIYIN_SPEED": "0.5",
            "ZHIYIN_PING_INTERVAL_S": "3",
            "ZHIYIN_QUIET_HOURS": "false",
            "ZHIYIN_DESKS": "north, south,",
            "ZHIYIN_WRITE_KEYS": "123",
            "ZHIYIN_TOKEN_SECRET": "1" * 40,
            "ZHIYIN_LOG_LEVEL": "debug",
        }
    )
    assert (settings.http_port, settings.speed, settings.ping_interval_s, settings.quiet_hours) == (0, 0.5, 3, False)
    assert settings.desks == ("north", "south")
    assert settings.write_keys == ("123",)
    assert settings.token_secret == "1" * 40
    assert settings.log_level == "debug"


def test_a_comma_inside_a_value_stands_after_a_backslash() -> None:
    settings = load_settings({"ZHIYIN_KAFKA_OPTIONS": "sasl.password=a\\,b\\\\c , ssl.ca.location=/ca.pem"})
    assert settings.kafka_options == ("sasl.password=a,b\\\\c", "ssl.ca.location=/ca.pem")
    assert load_settings(as_environment(settings)) == settings


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings({"REDIS_URL": "", "ZHIYIN_HTTP_PORT": "", "ZHIYIN_UNKNOWN": ""}) == Settings()


def test_variables_of_tests_and_of_others_are_left_alone() -> None:
    assert load_settings({"ZHIYIN_REQUIRE": "redis", "ZHIYIN_TEST_X": "1", "HOME": "/", "ZHIYINX": "2"}) == Settings()


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(file: Path) -> None:
    file.write_text("http_port: 1001\nws_port: 1002\nhost: here\ndesks: [a, b]\nchatbot_hook_url: null\n")
    environ = {"ZHIYIN_HTTP_PORT": "2001", "ZHIYIN_WS_PORT": "2002"}
    settings = load_settings(environ, file, {"http_port": 3001, "host": None, "state_dir": Path("x") / "y"})
    assert (settings.http_port, settings.ws_port, settings.host) == (3001, 2002, "here")
    assert settings.desks == ("a", "b")
    assert settings.state_dir == os.path.join("x", "y")  # noqa: PTH118 - compared as the text it became


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("http_port", "7", 7), ("speed", 2.0, 2.0), ("desks", ("a",), ("a",)), ("desks", "a,b", ("a", "b"))],
)
def test_the_command_line_may_give_texts_or_values(name: str, value: object, expected: object) -> None:
    assert getattr(load_settings({}, None, {name: value}), name) == expected


WRONG = yaml.safe_load((Path(__file__).parent / "wrong_variables.yaml").read_text("utf-8"))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: f"{each['variable']}={each['value']}")
def test_a_wrong_variable_is_refused(wrong: dict[str, str]) -> None:
    told = wrong["told"].replace("{count}", str(len(Settings.__struct_fields__)))
    assert refused({wrong["variable"]: wrong["value"]}) == [f"environment: {told}"]


def test_a_wrong_file_is_refused_with_lines(file: Path) -> None:
    file.write_text("http_port: '80'\nprot: 1\ndesks: a\nshards: 30\ntoken_secret: [hunter2]\nhost: ''\n")
    problems, count = refused({}, file), len(Settings.__struct_fields__)
    assert sorted(problems) == [
        f"{file}:1: http_port: found '80', expected a whole number",
        f"{file}:2: prot: found a key we do not know, expected one of the {count} names that docs/reference lists",
        f"{file}:3: desks: found 'a', expected a list",
        f"{file}:4: shards: found 30, with bus_partitions 4, expected a multiple of bus_partitions",
        f"{file}:5: token_secret: found a value that is not shown, {QUOTED}",
        f"{file}:6: host: found '', expected a text that is not empty",
    ]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"- a\n", ":1: $: found a list of 1, expected a mapping of settings"),
        (b"", ": $: found an empty file, expected a mapping"),
        (b"a: [", ":1: $: found no YAML ("),
    ],
)
def test_a_file_that_is_something_else_is_refused(file: Path, raw: bytes, problem: str) -> None:
    file.write_bytes(raw)
    assert [each[: len(f"{file}{problem}")] for each in refused({}, file)] == [f"{file}{problem}"]


def test_a_missing_file_is_refused(file: Path) -> None:
    assert refused({}, file) == [f"{file}: $: found no such file or directory, expected a YAML file that can be read"]


def test_the_command_line_is_checked_too() -> None:
    assert refused({}, None, {"http_port": 70_000, "port": 1, "shards": 6.5}) == [
        "command line: http_port: found 70000, expected at most 65535",
        "command line: shards: found 6.5, expected a whole number",
        "command line: port: found a key we do not know, expected ws_port (is that what was meant?)",
    ]


def test_everything_wrong_is_told_at_once(file: Path) -> None:
    file.write_text("ws_port: x\n")
    problems = refused({"ZHIYIN_X": "1", "ZHIYIN_SPEED": "-1", "ZHIYIN_DESKS": "a,a"}, file, {"shards": 0})
    assert [each.split(": found")[0] for each in problems] == [
        f"{file}:1: ws_port",
        "environment: ZHIYIN_X",
        "environment: ZHIYIN_SPEED",
        "command line: shards",
        "environment: ZHIYIN_DESKS",
    ]


def test_a_default_that_no_longer_fits_is_told_as_a_default() -> None:
    assert refused({"ZHIYIN_BUS_PARTITIONS": "5"}) == [
        "defaults: shards: found 32, with bus_partitions 5, expected a multiple of bus_partitions"
    ]


def test_secrets_are_never_shown() -> None:
    settings = load_settings(
        {
            "ZHIYIN_TOKEN_SECRET": SECRET,
            "ZHIYIN_WRITE_KEYS": "hidden-key",
            "REDIS_URL": "redis://:hidden@h",
            "ZHIYIN_KAFKA_OPTIONS": "sasl.password=hidden",
        }
    )
    text = repr(settings)
    assert SECRET not in text
    assert "hidden" not in text
    assert "token_secret=(set, not shown)" in text
    assert "http_port=8080" in text
    assert "redis_url=None" in repr(Settings())


def test_a_child_gets_these_settings_and_not_those_of_its_parent() -> None:
    settings = load_settings({}, None, {"http_port": 0, "desks": ("a", "b")})
    inherited = {"PATH": "/bin", "ZHIYIN_HOST": "0.0.0.0", "REDIS_URL": "redis://old", "ZHIYIN_TEST_X": "1"}  # noqa: S104 - a text
    environ = child_environment(settings, inherited)
    assert (environ["PATH"], environ["ZHIYIN_TEST_X"]) == ("/bin", "1")
    assert "REDIS_URL" not in environ
    assert load_settings(environ) == settings


def test_the_environment_of_the_process_is_what_a_child_inherits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    assert child_environment(Settings())["SOMETHING_ELSE"] == "1"


NAMES = st.text("abcxyz0189.-_", min_size=1, max_size=8)
OPTIONS = st.text("ab=,\\ ", max_size=8).map(str.strip).filter(lambda each: not each.endswith("\\"))


@given(
    st.builds(
        Settings,
        redis_url=st.sampled_from([None, "redis://h:1/2", "unix:///tmp/x"]),
        http_port=st.integers(1, 1000),
        shards=st.sampled_from([4, 8, 4096]),
        write_keys=st.lists(NAMES, max_size=3).map(tuple),
        token_secret=st.just("") | st.text("abc1 ", min_size=32, max_size=40),
        desks=st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple),
        kafka_options=st.lists(OPTIONS.map(lambda each: f"sasl.password={each}"), max_size=3).map(tuple),
        speed=st.floats(1e-6, 100_000),
        quiet_hours=st.booleans(),
        state_dir=st.text("ab/ ü知", min_size=1),
        log_level=st.sampled_from(["debug", "info", "warning", "error"]),
    )
)
def test_settings_survive_the_way_through_an_environment(settings: Settings) -> None:
    assert load_settings(as_environment(settings)) == settings


@given(
    st.dictionaries(
        st.sampled_from([variable_of(each.name) for each in msgspec.structs.fields(Settings)] + ["ZHIYIN_ODD"]),
        st.text(max_size=8) | st.integers().map(str) | st.sampled_from(["true", "1.5", "nan", "null", "[", "a,b"]),
        max_size=6,
    )
)
def test_whatever_the_environment_holds_it_is_loaded_or_refused(environ: dict[str, str]) -> None:
    problems: list[str] | None = None
    try:
        load_settings(environ)
    except ConfigurationError as error:
        problems = [each.found for each in error.problems]
    assert problems is None or all(problems)
