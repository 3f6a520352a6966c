import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from gateway.ingest.collector import wall_clock_ms
from gateway.push.chatbot_webhook import conversation_url, intent
from operators.hints.hint import Hint, Retirement, hint_document
from state.hints.writer import RedisHintWriter
from state.redis import keys
from state.redis.connections import connect
from tests.gateway.fixtures import Started
from tests.gateway.running import RunningGateway
from tests.parts.processes import PATIENCE_S
from tests.parts.redis_server import RedisServer
from tests.state.houses import make_hint


class Bot:
    """A bot's HTTP server: keeps what it is told, answers as the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.asked = 0
        self.statuses: list[int] = []
        self.open = threading.Event()
        self.open.set()
        bot = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bot.asked += 1
                bot.open.wait(PATIENCE_S)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bot.calls.append((self.path, body))
                self.send_response(bot.statuses.pop(0) if bot.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the library
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def bot() -> Iterator[Bot]:
    running = Bot()
    yield running
    running.stop()


def hint_now(name: str = "h1", **changes: object) -> Hint:
    now_ms = wall_clock_ms()
    times = {"created_at_ms": now_ms, "expires_at_ms": now_ms + 60_000, "speak_after_ms": now_ms}
    return make_hint(name, **{**times, **changes})


def store(redis_url: str, act: Callable[[RedisHintWriter], object]) -> None:
    with connect(redis_url) as client:
        act(RedisHintWriter(client, wall_clock_ms))


def tell(redis_url: str, hint: Hint) -> None:
    store(redis_url, lambda hints: hints.place(hint, "desk-1"))


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def listening(gateway: RunningGateway, redis_url: str) -> RunningGateway:
    """The gateway once its hook is on the channel."""
    with connect(redis_url) as client:
        until(lambda: client.exists(keys.CHANNEL_EPOCH.of(keys.CHATBOT_CHANNEL)) == 1, "the hook does not listen")
    time.sleep(0.3)
    return gateway


def outcomes(gateway: RunningGateway) -> dict[str, float]:
    return gateway.metric("zhiyin_chatbot_hook_total")


def test_a_new_hint_lets_the_bot_speak_first(started: Started, redis_url: str, bot: Bot) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url=f"{bot.url}/rasa/"), redis_url)
    hint = hint_now(customer_id="客户/1")
    tell(redis_url, hint)
    until(lambda: outcomes(gateway) == {'outcome="told"': 1.0}, "the bot was not told")
    ((path, body),) = bot.calls
    assert path == "/rasa/conversations/%E5%AE%A2%E6%88%B7%2F1/trigger_intent?output_channel=latest"
    assert body == {
        "name": "EXTERNAL_zhiyin_hint",
        "entities": {
            "hint_id": "h1",
            "journey": "policy_loan",
            "step": "face_check",
            "transaction_id": "t-1",
            "reason": "face",
            "text_zh": "保单贷款",
            "text_en": "policy loan",
            "article": "a1",
        },
    }


def test_a_bot_that_stumbles_is_asked_again(started: Started, redis_url: str, bot: Bot) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url=bot.url), redis_url)
    bot.statuses = [500]
    tell(redis_url, hint_now())
    until(lambda: outcomes(gateway) == {'outcome="told"': 1.0}, "the bot was not told")
    assert len(bot.calls) == 2


def test_a_bot_that_refuses_is_left_alone(started: Started, redis_url: str, bot: Bot) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url=bot.url), redis_url)
    bot.statuses = [404]
    tell(redis_url, hint_now())
    until(lambda: outcomes(gateway) == {'outcome="refused"': 1.0}, "nothing was counted")
    assert len(bot.calls) == 1


def test_a_bot_that_is_away_is_given_up(started: Started, redis_url: str) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url="http://127.0.0.1:1"), redis_url)
    tell(redis_url, hint_now())
    until(lambda: outcomes(gateway) == {'outcome="failed"': 1.0}, "nothing was counted")


def test_a_hint_that_is_over_before_its_turn_is_not_said(started: Started, redis_url: str, bot: Bot) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url=bot.url), redis_url)
    bot.open.clear()
    for number in range(5):  # four calls at once: the fifth waits
        tell(redis_url, hint_now(f"h{number}", customer_id=f"c{number}"))
    until(lambda: bot.asked == 4, "four calls have not begun")
    store(redis_url, lambda hints: hints.retire(Retirement("h4", "c4", "returned", wall_clock_ms())))
    bot.open.set()
    until(lambda: sum(outcomes(gateway).values()) == 5, "not all were counted")
    assert outcomes(gateway) == {'outcome="told"': 4.0, 'outcome="over"': 1.0}
    assert "h4" not in {body["entities"]["hint_id"] for _, body in bot.calls}


def test_hints_the_bot_may_not_open_with_are_not_said(started: Started, redis_url: str, bot: Bot) -> None:
    gateway = listening(started(redis_url, chatbot_hook_url=bot.url), redis_url)
    tell(redis_url, hint_now("quiet", speak_after_ms=None, customer_id="c1"))
    tell(redis_url, hint_now("loud", customer_id="c2"))
    until(lambda: outcomes(gateway) == {'outcome="told"': 1.0}, "the bot was not told")
    assert [body["entities"]["hint_id"] for _, body in bot.calls] == ["loud"]


def test_the_hook_goes_on_after_redis_was_emptied(started: Started, redis_server: RedisServer, bot: Bot) -> None:
    redis_server.stop()
    gateway = started(redis_server.url, chatbot_hook_url=bot.url)
    redis_server.start()
    listening(gateway, redis_server.url)
    tell(redis_server.url, hint_now("first"))
    until(lambda: len(bot.calls) == 1, "the bot was not told")
    redis_server.kill()
    redis_server.start()

    def told_again() -> bool:
        tell(redis_server.url, hint_now(f"later-{time.monotonic()}", customer_id="c2"))
        time.sleep(0.3)
        return len(bot.calls) > 1

    until(told_again, "the bot was not told after Redis came back")


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://bot:5005", "http://bot:5005/conversations/c%201/trigger_intent?output_channel=latest"),
        ("http://bot/x/?token=t", "http://bot/x/conversations/c%201/trigger_intent?token=t&output_channel=latest"),
    ],
)
def test_where_a_bot_is_told(base: str, url: str) -> None:
    assert str(conversation_url(httpx.URL(base), "c 1")) == url


def test_a_hint_without_a_transaction_or_step() -> None:
    document = hint_document(make_hint(step=None, step_title=None, transaction_id=None))
    entities = intent(document)["entities"]
    assert (entities["step"], entities["transaction_id"]) == (None, None)
