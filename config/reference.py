"""``python -m config.reference``: the reference pages of settings and catalogue, written from the code that reads them.

In: the table of settings, the records of the catalogue. Out: Markdown, by file name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from config.documents.problems import plain_number
from config.loader.fields import SECTIONS, SENTENCES
from config.settings.load import variable_of
from config.settings.table import Settings

RecordSchema = Mapping[str, Any]
_NO_DEFAULT: Final[tuple[object, ...]] = (None, "", [], ())
_KINDS: Final = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}

_SETTINGS_HEAD: Final = """\
# Settings

Written from `config/settings/table.py`.

A setting is given as an environment variable, as a key of a YAML file (`--settings FILE`), or on the
command line. The command line goes before the environment, the environment before the file, the file
before the default. Lists are separated by commas in a variable (a comma inside a value is written `\\,`)
and are YAML lists in the file. An empty variable is a variable not set. Names that are not known are
refused, with the one that may be meant; `zhiyin check` tells everything that is wrong at once. Variables
that begin with `ZHIYIN_TEST_`, and `ZHIYIN_REQUIRE`, belong to the tests.

| Variable | In the file | Type | Default | |
|---|---|---|---|---|
"""

_SETTINGS_TAIL: Final = """
Beyond the limits in the table: `shards` is a multiple of `bus_partitions`; ports other than 0 differ;
`token_secret` has 32 characters or more; write keys are ASCII without colon, comma or space; desks are
named with letters, digits, dots, dashes and underscores; `bus: kafka` needs `kafka_servers`, and four
topics that differ; `engine_process_id` is the place of one of `engine_addresses`, which differ. Secrets
(`token_secret`, `write_keys`, `redis_url`, `kafka_options`, `chatbot_redis_password`) are never shown in messages.

`kafka_options` go to [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md)
as they are, but for those on which a promise rests, which are refused
([Run on Kafka](../how-to/run-on-kafka.md#tls-and-sasl)).
"""

EXAMPLE: Final = """\
journeys:
  policy_loan:
    title: {zh: 保单贷款, en: Policy loan}
    steps:
      - id: face_check
        title: {zh: 人脸识别, en: Face check}
        idle_after: 3m
      - id: done
        title: {zh: 提交成功, en: Submitted}
        final: true

reasons:
  face_check:
    title: {zh: 人脸识别未通过, en: Face check failed}
    say:
      zh: 您办理{journey}时，是不是“{step}”没有通过？
      en: Did "{step}" stop your {journey}?
    article:
      id: help-face-check
      title: {zh: 人脸识别不通过怎么办, en: When the face check fails}
      body: {zh: 请到光线均匀的地方再试。, en: Try again in even light.}
    evidence:
      - {signal: step_failed, codes: ["face_*"], weight: 3}
  unknown:
    title: {zh: 原因不明, en: Cause unknown}
    say:
      zh: 您的{journey}还没有办完，需要帮忙吗？
      en: Your {journey} is not finished. May I help?
    article:
      id: help-continue
      title: {zh: 继续办理, en: Go on}
      body: {zh: 登录后在“我的办理”中继续。, en: Sign in and go on.}
"""

_CATALOGUE_HEAD: Final = f"""\
# Catalogue

Written from `operators/records/catalogue.py`.

The catalogue is one YAML file, or a folder whose `*.yaml` files are put together: mappings of the same
top-level name (`journeys`, `reasons`, ...) become one, and a key that stands in two files is an error.
Everything wrong is told at once, each with file, line, dotted path, what was found and what is expected.

Durations are a number and a unit: `500ms`, `30s`, `5m`, `24h`, `7d`. Words are read as in YAML 1.2:
`22:00`, `on` and `no` are texts, merge keys (`<<`) are not known, tags are refused, aliases are filled in
up to 100,000 values. The `speed` setting divides what customers are waited for: `idle_after`,
`forget_after`, `hesitation_after`, `idle_checkpoints`, a hint's `lifetime`, the `window` of the caps,
the waits of `outreach`; never `lateness`, rage clicks or a `lease`.

The smallest useful catalogue:

```yaml
{EXAMPLE}```
"""


def reference_pages() -> dict[str, str]:
    """The pages by their path below the root."""
    return {"docs/reference/settings.md": settings_page(), "docs/reference/catalogue.md": catalogue_page()}


def write_reference_pages(root: Path) -> None:
    """Write the pages below ``root``."""
    for name, text in reference_pages().items():
        (root / name).write_text(text, encoding="utf-8")


def settings_page() -> str:
    """The table of settings in Markdown."""
    schemas = _schemas(Settings)["Settings"]["properties"]
    rows = [_setting_row(name, schema) for name, schema in schemas.items()]
    return _SETTINGS_HEAD + "\n".join(rows) + "\n" + _SETTINGS_TAIL


def catalogue_page() -> str:
    """The fields of the catalogue in Markdown, a section a record."""
    schemas = _schemas(SECTIONS[0][0])
    sections = [_section(record, heading, where, schemas) for record, heading, where in SECTIONS]
    return "\n".join([_CATALOGUE_HEAD, *sections])


def _schemas(record: type) -> dict[str, RecordSchema]:
    return dict(msgspec.json.schema(record)["$defs"])


def _setting_row(name: str, schema: RecordSchema) -> str:
    return _row(f"`{variable_of(name)}`", f"`{name}`", _kind(schema), _default(schema, False), schema["description"])


def _section(record: type, heading: str, where: str, schemas: Mapping[str, RecordSchema]) -> str:
    schema = schemas[record.__name__]
    sentences = SENTENCES[record.__name__]
    rows = [
        _row(f"`{name}`", _kind(field), _default(field, name in schema["required"]), sentences[name])
        for name, field in schema["properties"].items()
    ]
    return "\n".join(
        [f"## {heading}", "", f"At {where}.", "", "| Field | Type | Default | |", "|---|---|---|---|", *rows, ""]
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(schema: RecordSchema, required: bool) -> str:
    if required:
        return "must be given"
    default = schema.get("default")
    return f"`{_plain(default)}`" if default not in _NO_DEFAULT and not isinstance(default, dict) else ""


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return plain_number(value) if isinstance(value, int | float) else str(value)


def _kind(schema: RecordSchema) -> str:
    """What a value may be, as text."""
    if "anyOf" in schema:
        return next(_kind(branch) for branch in schema["anyOf"] if branch.get("type") != "null")
    if "$ref" in schema:
        return f"see {_heading(schema['$ref'])}"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "ms|s|m|h|d" in schema.get("pattern", ""):
        return "duration"
    if "pattern" in schema:
        return "time of day, `HH:MM`"
    if schema["type"] == "array":
        return f"list ({_kind(schema['items'])})"
    if schema["type"] == "object":
        return f"mapping ({_kind(schema['additionalProperties'])})"
    return f"{_KINDS[schema['type']]}{_limits(schema)}"


def _limits(schema: RecordSchema) -> str:
    least, above, most = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None:
        return f", {plain_number(least)} " + ("or more" if most is None else f"to {plain_number(most)}")
    if above is not None:
        return f", above {plain_number(above)}" + ("" if most is None else f", up to {plain_number(most)}")
    return ""


def _heading(reference: str) -> str:
    name = reference.rpartition("/")[2]
    heading = next(heading for record, heading, _ in SECTIONS if record.__name__ == name)
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


if __name__ == "__main__":
    write_reference_pages(Path(__file__).parents[1])
