"""The desk clients of docs/examples: the same story for both, over a real gateway that restarts and a Redis emptied."""

import asyncio
import functools
import http.server
import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Protocol

import httpx
import pytest
from playwright.sync_api import Page

from tests.gateway.page_house import PageHouse, open_page_house
from tests.gateway.pages.test_browser_sdk import QuietFiles
from tests.parts.browser import PageWatch
from tests.parts.machine import ROOT
from tests.parts.processes import until
from tests.parts.redis_server import RedisServer

pytestmark = [pytest.mark.requires("redis", "chromium"), pytest.mark.timeout(120), pytest.mark.slow]

EXAMPLES = ROOT / "docs" / "examples"
SHORT_S = 4
"""A token's life: the clients have to renew it again and again."""
PAGE = """<!doctype html><title>CRM</title><link rel=icon href=data:,><script type=module>
import { DeskClient } from "./desk-client.js";
const at = JSON.parse(document.getElementById("at").textContent);
Object.assign(window, { shown: [], states: [], refusals: [] });
window.desk = new DeskClient({
  http: at.http, ws: at.ws, token: async () => (await fetch(`/token?${Math.random()}`)).text(),
  onHints: (hints) => (window.shown = hints.map((hint) => hint.hint_id)),
  onState: (state) => window.states.push(state),
  onRefused: (id, code) => window.refusals.push(`${id} ${code}`),
});
window.desk.start();
</script><script type=application/json id=at>%s</script>"""


class Client(Protocol):
    """A desk client under test."""

    def shown(self) -> list[str]:
        """The ids of the hints it shows."""

    def states(self) -> list[str]:
        """All states it told."""

    def refusals(self) -> list[str]:
        """The acks that changed nothing."""

    def ack(self, hint_id: str, state: str, *, helpful: bool | None) -> None:
        """Report."""


class Tokens:
    """What the site hands out: at first so short that it is renewed, later as long as a busy machine may need."""

    def __init__(self, house: PageHouse) -> None:
        self.lifetime_s = SHORT_S
        self._house = house

    def next(self) -> str:
        """One more."""
        return self._house.token(lifetime_s=self.lifetime_s)


class PythonClient:
    """The Python example, in a thread of its own."""

    def __init__(self, module: ModuleType, house: PageHouse, tokens: Tokens) -> None:
        async def token() -> str:
            return tokens.next()

        self._shown: list[str] = []
        self._states: list[str] = []
        self._refusals: list[str] = []
        self._desk = module.DeskClient(house.addresses.http, house.addresses.ws, token)
        self._desk.on_hints = lambda hints: self._shown.__setitem__(slice(None), [hint["hint_id"] for hint in hints])
        self._desk.on_state = self._states.append
        self._desk.on_refused = lambda hint_id, code: self._refusals.append(f"{hint_id} {code}")
        self._loop = asyncio.new_event_loop()
        self._running: asyncio.Task[None] = self._loop.create_task(self._desk.run())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def shown(self) -> list[str]:
        return list(self._shown)

    def states(self) -> list[str]:
        return list(self._states)

    def refusals(self) -> list[str]:
        return list(self._refusals)

    def ack(self, hint_id: str, state: str, *, helpful: bool | None) -> None:
        asyncio.run_coroutine_threadsafe(self._desk.ack(hint_id, state, helpful=helpful), self._loop).result(30)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._running.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._running)


class BrowserClient:
    """The JavaScript example on a page of another site."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def shown(self) -> list[str]:
        return self._seen("shown")

    def states(self) -> list[str]:
        return self._seen("states")

    def refusals(self) -> list[str]:
        return self._seen("refusals")

    def ack(self, hint_id: str, state: str, *, helpful: bool | None) -> None:
        opinion = {} if helpful is None else {"helpful": helpful}
        words = ", ".join(json.dumps(each) for each in (hint_id, state, opinion))
        self._page.evaluate(f"desk.ack({words})")

    def _seen(self, name: str) -> list[str]:
        found: list[str] = self._page.evaluate(f"[...window.{name}]")
        return found


def python_example() -> ModuleType:
    found = importlib.util.spec_from_file_location("desk_client", EXAMPLES / "python" / "desk_client.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@contextmanager
def crm_site(folder: Path, token: Callable[[], str]) -> Iterator[str]:
    """Another site, which hands its agents their tokens: its address."""

    class Site(QuietFiles):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            if not self.path.startswith("/token"):
                return super().do_GET()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(token().encode())
            return None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_python_client_over_every_break(redis_server: RedisServer) -> None:
    with open_page_house(redis_server) as house:
        tokens = Tokens(house)
        client = PythonClient(python_example(), house, tokens)
        try:
            over_every_break(house, client, tokens)
        finally:
            client.stop()


def test_the_javascript_client_over_every_break(
    redis_server: RedisServer, page: Page, page_watch: PageWatch, tmp_path: Path
) -> None:
    page_watch.tolerated += ["WebSocket connection to", "net::ERR_"]
    handed_out: list[Tokens] = []

    def next_token() -> str:
        return handed_out[0].next()

    with (
        crm_site(tmp_path, next_token) as site,
        open_page_house(redis_server, desk_origins=[site], allowed_origins=[site]) as house,
    ):
        handed_out.append(Tokens(house))
        (tmp_path / "desk-client.js").write_bytes((EXAMPLES / "javascript" / "desk-client.js").read_bytes())
        at = json.dumps({"http": house.addresses.http, "ws": house.addresses.ws})
        (tmp_path / "index.html").write_text(PAGE.replace("%s", at), "utf-8")
        page.goto(site)
        over_every_break(house, BrowserClient(page), handed_out[0])


def over_every_break(house: PageHouse, client: Client, tokens: Tokens) -> None:
    """What was open at the start, live ones, a report, a token that ends, a restart, a Redis that was emptied."""
    until(lambda: "live" in client.states())
    first = house.tell("first")
    until(lambda: client.shown() == ["first"])
    client.ack("first", "shown", helpful=None)
    until(lambda: house.state_of(first) == "shown")
    client.ack("first", "used", helpful=True)
    until(lambda: client.shown() == [])
    assert [each["event"] for each in house.reported()] == ["Hint Shown", "Hint Used"]
    until_renewed(house, client)
    tokens.lifetime_s = 600
    stays, goes = house.tell("stays"), house.tell("goes")
    until(lambda: set(client.shown()) == {"stays", "goes"})
    house.stop()
    until(lambda: client.states()[-1] in {"waiting", "connecting"})
    house.retire(goes, "returned")
    house.tell("new")
    client.ack("stays", "shown", helpful=None)
    house.start()
    until(lambda: client.shown() == ["new", "stays"])
    until(lambda: house.state_of(stays) == "shown")
    house.client.flushall()
    until(lambda: house.client.exists("zy:channel-epoch:desk:desk-1"))
    house.tell("after")
    until(lambda: client.shown() == ["after"])
    client.ack("nobody", "shown", helpful=None)
    until(lambda: "nobody unknown_hint" in client.refusals())
    # Redis may have forgotten "stays" before the client heard that its report was taken: then it is said again.
    assert sorted(set(client.refusals()) - {"stays unknown_hint"}) == ["nobody unknown_hint"]
    assert len(set(client.refusals())) == len(client.refusals())


def until_renewed(house: PageHouse, client: Client) -> None:
    """Longer than a token lives: it stays live, on one connection."""
    lived = len(client.states())
    acknowledged = frames(house, "connection_ack")
    until(lambda: frames(house, "connection_ack") >= acknowledged + 3)
    assert client.states()[lived:] == []


def frames(house: PageHouse, kind: str) -> int:
    """How many frames of ``kind`` the gateway has sent."""
    text = httpx.get(house.addresses.metrics).text
    [line] = [each for each in text.splitlines() if each.startswith(f'zhiyin_desk_frames_total{{type="{kind}"}}')]
    return int(float(line.rpartition(" ")[2]))


def test_a_desk_that_is_not_wanted_is_told_so(redis_server: RedisServer) -> None:
    module = python_example()

    async def refused(role: str) -> BaseException:
        async def token() -> str:
            return house.token(role)

        with pytest.raises(module.DeskRefused) as error:
            await module.DeskClient(house.addresses.http, house.addresses.ws, token).run()
        found: BaseException = error.value
        return found

    with open_page_house(redis_server) as house, ThreadPoolExecutor(1) as thread:
        error = thread.submit(asyncio.run, refused("cleaner")).result()
    assert isinstance(error, module.DeskRefused)
    assert error.__dict__["code"] == 4403
    assert "found close code 4403 (role 'cleaner'" in str(error)
