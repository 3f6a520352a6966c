"""The pages of the websocket protocol say what the code does."""

import json
import re
from typing import Any, get_args

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.push import frames, protocol
from gateway.push.frames import ClientFrame, CloseCode, FrameError, read_frame
from gateway.push.hub import RECOVERED_AT_MOST
from operators.hints.hint import Retirement
from state.redis.channels import KEPT_EVENTS
from tests.gateway.push_house import Frame, Hall, open_hall
from tests.parts.machine import ROOT
from tests.state.houses import NOON_MS, RedisHouse

REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "websocket.md").read_text("utf-8")
ASYNCAPI: dict[str, Any] = yaml.safe_load((REFERENCE / "asyncapi.yaml").read_text("utf-8"))
MESSAGES = ASYNCAPI["components"]["messages"]


def validator(name: str) -> Draft202012Validator:
    schema = {**MESSAGES[name]["payload"], "components": ASYNCAPI["components"]}
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def messages_of(operation: str) -> set[str]:
    return {each["$ref"].rpartition("/")[2] for each in ASYNCAPI["operations"][operation]["messages"]}


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r"\$ref: '#/([^']+)'", (REFERENCE / "asyncapi.yaml").read_text("utf-8")):
        place: Any = ASYNCAPI
        for part in reference.split("/"):
            place = place[part]


def test_the_clients_frames_are_those_of_the_code() -> None:
    tags = {each.__struct_config__.tag for each in get_args(ClientFrame)}
    assert messages_of("fromClient") == tags
    for frame in get_args(ClientFrame):
        fields = {each.encode_name: each.required for each in msgspec.structs.fields(frame)}
        payload = MESSAGES[frame.__struct_config__.tag]["payload"]
        assert set(payload["properties"]) == {"type", *fields}
        assert set(payload["required"]) == {"type", *(name for name, required in fields.items() if required)}
    for tag in tags:
        assert f"| `{tag}` |" in PAGE or f"`{tag}`" in PAGE


_VALUES = st.none() | st.booleans() | st.integers(-2, 2**54) | st.text(st.characters(codec="utf-8"), max_size=210)


@given(
    st.sampled_from(sorted(messages_of("fromClient"))),
    st.dictionaries(
        st.sampled_from(("id", "channel", "epoch", "offset", "hint_id", "state", "helpful", "token")), _VALUES
    ),
    st.sampled_from(("shown", "used", "retired")),
)
def test_the_page_takes_what_the_code_takes(kind: str, fields: dict[str, Any], state: str) -> None:
    frame = {"type": kind, **({**fields, "state": state} if "state" in fields else fields)}
    try:
        read_frame(json.dumps(frame))
    except FrameError:
        taken = False
    else:
        taken = True
    absent = {name: value for name, value in frame.items() if value is not None or name not in ("epoch", "offset")}
    assert validator(kind).is_valid(absent) is taken


@pytest.mark.requires("redis")
async def test_every_frame_of_the_server_is_as_the_page_has_it(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    async with open_hall(house, ping_interval_s=0.3) as hall:
        heard = await _conversation(hall)
    await house.close()
    for frame in heard:
        validator(frame["type"]).validate(frame)
    assert {frame["type"] for frame in heard} == messages_of("toClient") - {"stale", "fresh"}
    codes = {frame["code"] for frame in heard if frame["type"] == "error"}
    assert codes == {"forbidden", "unknown_hint", "not_open", "not_yours"}


async def _conversation(hall: Hall) -> list[Frame]:
    heard: list[Frame] = []
    async with hall.caller() as desk:
        await desk.say("connection_init", token=hall.token())
        await desk.say("subscribe", id="1", channel="chatbot")
        await desk.say("subscribe", id="1", channel="desk")
        await desk.say("ping")
        heard += [await desk.hear() for _ in range(4)]
        hall.tell("h1", "h2")
        hall.tell("other", desk="d2")
        hall.house.store.retire(Retirement("h1", "anna", "contact", NOON_MS))
        for hint_id in ("h1", "h2", "nobody", "other"):
            await desk.say("ack", hint_id=hint_id, state="used", helpful=True)
        heard += [await desk.hear() for _ in range(7)]
        heard.append(await desk.hear("ping"))
    return heard


def test_stale_and_fresh_are_as_the_page_has_them() -> None:
    validator("stale").validate(json.loads(frames.frame_bytes("stale", id="s", since="2027-01-15T08:00:00.000Z")))
    validator("fresh").validate(json.loads(frames.frame_bytes("fresh", id="s")))


def test_every_close_code_and_error_code_is_on_the_page() -> None:
    codes = {value for name, value in vars(CloseCode).items() if name.isupper()}
    assert codes <= {int(each) for each in re.findall(r"^\| (\d{4}) \|", PAGE, re.MULTILINE)}
    for code in MESSAGES["error"]["payload"]["properties"]["code"]["enum"]:
        assert f"| `{code}` |" in PAGE


@pytest.mark.parametrize(
    "words",
    [
        f"{frames.PROTOCOL}",
        f"{frames.FRAME_BYTES // 1024} KB from the client",
        f"within {protocol.INIT_WITHIN_S:.0f} s",
        f"at most {protocol.SUBSCRIPTIONS} at a time",
        f"At most {protocol.FRAMES_AT_ONCE} frames at once and {protocol.FRAMES_PER_S:.0f} a second",
        f"more than {RECOVERED_AT_MOST:,} entries behind",
        f"newest {KEPT_EVENTS:,} entries",
        f"cut to {frames.REASON_BYTES} bytes",
    ],
)
def test_the_limits_on_the_page_are_those_of_the_code(words: str) -> None:
    assert words in PAGE
