import re

import pytest

from gateway.pages.site import FOLDER, PAGE_STYLES, PAGES
from tests.gateway.running import RunningGateway


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_from_here_alone_and_talk_to_their_websocket(gateway: RunningGateway, path: str) -> None:
    answer = gateway.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    port = gateway.addresses.ws.rpartition(":")[2]
    styles = " ".join(("'self'", *PAGE_STYLES.get(path, ())))
    assert "unsafe" not in styles
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self' ws://127.0.0.1:{port} wss://127.0.0.1:{port}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@pytest.mark.parametrize(
    ("host", "sockets"),
    [
        ("desk.example:8080", " ws://desk.example:{0} wss://desk.example:{0}"),
        ("[::1]:8080", " ws://[::1]:{0} wss://[::1]:{0}"),
        ("under_score", " ws://under_score:{0} wss://under_score:{0}"),
        ("evil'; script-src *", " ws://127.0.0.1:{0} wss://127.0.0.1:{0}"),
    ],
)
def test_the_policy_names_the_host_the_page_was_asked_at(gateway: RunningGateway, host: str, sockets: str) -> None:
    policy = gateway.http.get("/desk", headers={"Host": host}).headers["content-security-policy"]
    port = gateway.addresses.ws.rpartition(":")[2]
    assert f"connect-src 'self'{sockets.format(port)};" in policy
    assert "script-src 'self';" in policy


def test_what_a_page_asks_first(gateway: RunningGateway) -> None:
    port = int(gateway.addresses.ws.rpartition(":")[2])
    assert gateway.http.get("/page.json").json() == {"ws_port": port, "protocol": "zhiyin.desk.v1"}


def test_static_files_and_nothing_beside_them(gateway: RunningGateway) -> None:
    for file in (file for file in (FOLDER / "static").rglob("*") if file.is_file()):
        answer = gateway.http.get(f"/static/{file.relative_to(FOLDER / 'static')}")
        assert (answer.status_code, answer.content) == (200, file.read_bytes())
    for path in ("/static/", "/static/none.js", "/static/..%2Fdesk.html", "/static/%2e%2e/desk.html", "/desk.html"):
        assert gateway.http.get(path).status_code == 404


@pytest.mark.parametrize("page", sorted(set(PAGES.values())))
def test_what_a_page_refers_to_is_there(gateway: RunningGateway, page: str) -> None:
    text = (FOLDER / page).read_text("utf-8")
    for link in re.findall(r'(?:href|src)="(/[^"#]*)"', text):
        assert gateway.http.get(link).status_code == 200, link
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
