import pytest

from config import ConfigurationError, load_settings
from config.settings.write_key_scopes import ScopeUnreadable, WriteKeyScope, read_scope

WEB = "web;events=Transaction Started|Page Hidden;journeys=policy_loan;origins=https://a.example;events_per_s=50"


def test_a_line_says_what_goes_with_a_key() -> None:
    assert read_scope(WEB) == WriteKeyScope(
        "web",
        frozenset({"Transaction Started", "Page Hidden"}),
        frozenset({"policy_loan"}),
        frozenset({"https://a.example"}),
        50,
    )
    assert read_scope("web; journeys=a") == WriteKeyScope("web", journeys=frozenset({"a"}))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("web", "found a line without a key or without a limit, expected KEY;events=A|B and so on"),
        (";events=A", "found a line without a key"),
        ("web;event=A", "found the word 'event', expected one of events, journeys, origins, events_per_s"),
        ("web;events=", "found events without a value or twice, expected events=..."),
        ("web;events=A;events=B", "found events without a value or twice"),
        ("web;events_per_s=many", "found events_per_s 'many', expected a number of 0 (no limit) or more"),
        ("web;events_per_s=-1", "found events_per_s '-1'"),
        ("web;events_per_s=nan", "found events_per_s 'nan'"),
    ],
)
def test_what_is_no_line_is_refused_in_words(line: str, words: str) -> None:
    with pytest.raises(ScopeUnreadable) as caught:
        read_scope(line)
    assert words in str(caught.value)


def test_settings_name_the_line_and_never_the_key() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"ZHIYIN_WRITE_KEYS": "web,app", "ZHIYIN_WRITE_KEY_SCOPES": f"{WEB},hidden;events=A,app;x=1"})
    told = str(caught.value)
    assert "ZHIYIN_WRITE_KEY_SCOPES: found another key in line 2, expected one of write_keys" in told
    assert "found the word 'x' in line 3" in told
    assert "hidden" not in told
