"""Tokens signed by an identity provider: its keys from a file or over HTTP, changed while we look."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from gateway.auth import jwks
from gateway.auth.jwks import KeySet, KeySetUnusable, usable_keys
from gateway.auth.tokens import Token, TokenReader, TokenRefused
from tests.gateway.fixtures import Started

NOW_S = 1_700_000_000
SECRET = "a secret of at least thirty-two bytes"
OURS, THEIRS, SHORT = (rsa.generate_private_key(65537, bits) for bits in (2048, 2048, 1024))


def jwk(key: RSAPrivateKey, key_id: str, **more: object) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": "RS256", **more}


def key_set(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


def signed(key: RSAPrivateKey = OURS, key_id: str | None = "k1", **claims: object) -> str:
    said = {"sub": "desk-1", "role": "agent", "exp": NOW_S + 60, "iss": "https://id.example", "aud": "zhiyin", **claims}
    return jwt.encode(said, key, "RS256", None if key_id is None else {"kid": key_id})


class Keys:
    """A set that does not change."""

    def __init__(self, **keys: RSAPrivateKey) -> None:
        self._keys = {name: key.public_key() for name, key in keys.items()}

    def public_key(self, key_id: str | None) -> rsa.RSAPublicKey | None:
        return self._keys.get(key_id or "")


def reader(secret: str = "") -> TokenReader:
    return TokenReader(secret, Keys(k1=OURS), "https://id.example", "zhiyin")


def test_a_token_of_the_provider_is_read() -> None:
    assert reader().read(signed(), NOW_S) == Token("desk-1", "agent", NOW_S + 60)
    assert reader().read(signed(aud=["other", "zhiyin"]), NOW_S).subject == "desk-1"


def foreign_tokens() -> dict[str, str]:
    public = OURS.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    confused = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT","kid":"k1"}')
    payload = signed().split(".")[1].encode()
    algorithm = jwt.get_algorithm_by_name("HS256")
    mac = algorithm.sign(confused + b"." + payload, public)
    shared = jwt.encode({"sub": "d", "role": "agent", "exp": NOW_S + 9}, SECRET, "HS256")
    return {
        "signature is not ours": signed(THEIRS),
        "not in the key set": signed(key_id="k9"),
        "found issuer 'https://evil.example', expected 'https://id.example'": signed(iss="https://evil.example"),
        "found issuer '', expected": signed(iss=""),
        "found audience other, expected 'zhiyin'": signed(aud="other"),
        "found audience none, expected": signed(aud=[]),
        "good only in 500 s": signed(nbf=NOW_S + 500),
        "token expired 1 s ago": signed(exp=NOW_S - 1),
        "signed in another way, expected RS256": (
            confused + b"." + payload + b"." + jwt.utils.base64url_encode(mac)
        ).decode(),
        "expected RS256": shared,
    }


@pytest.mark.parametrize("words", sorted(foreign_tokens()))
def test_what_the_provider_did_not_sign_for_us_is_refused(words: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        reader().read(foreign_tokens()[words], NOW_S)
    assert words in caught.value.reason


def test_secret_and_key_set_stand_beside_one_another() -> None:
    both = reader(SECRET)
    ours = jwt.encode(
        {"sub": "d", "role": "agent", "exp": NOW_S + 9, "iss": "https://id.example", "aud": "zhiyin"}, SECRET
    )
    assert both.read(ours, NOW_S).subject == "d"
    assert both.read(signed(), NOW_S).subject == "desk-1"
    with pytest.raises(TokenRefused, match="expected HS256 or RS256"):
        both.read(jwt.encode({"sub": "d"}, SECRET * 2, "HS512"), NOW_S)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no json", "not a key set"),
        ("[]", "not a key set"),
        ("{}", "not a key set"),
        (key_set(jwk(OURS, "k1") | {"kid": ["k1"]}), "not a key set (unhashable type"),
        pytest.param("[" * 100_000, "not a key set (maximum recursion depth exceeded", id="too deep"),
        (key_set(jwk(SHORT, "k1")), "found 1 keys, none of them usable"),
        (key_set(jwk(OURS, "k1", use="enc")), "found 1 keys, none of them usable"),
        (key_set(jwk(OURS, "k1", alg="RS512")), "found 1 keys, none of them usable"),
        (key_set({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "k1"}), "none of them usable"),
    ],
)
def test_a_set_without_a_usable_key_is_refused(text: str, words: str) -> None:
    with pytest.raises(KeySetUnusable, match=r"token keys at keys\.json: .*expected a JSON Web Key Set") as caught:
        usable_keys("keys.json", text)
    assert words in caught.value.reason


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def test_a_changed_file_is_read_again_when_a_new_key_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "AT_ONCE_S", 0.05)
    path = tmp_path / "keys.json"
    path.write_text(key_set(jwk(OURS, "k1")))
    keys = KeySet(str(path), time.monotonic)
    await keys.start()
    assert keys.public_key("k1") is not None
    assert keys.public_key(None) is not None
    path.write_text(key_set(jwk(THEIRS, "k2")))
    await until(lambda: keys.public_key("k2"))
    assert keys.public_key("k1") is None
    path.unlink()
    assert keys.public_key("k3") is None
    await asyncio.sleep(0.2)
    assert keys.public_key("k2") is not None
    await keys.stop()


async def test_keys_nobody_could_confirm_for_a_day_are_good_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "AT_ONCE_S", 0.01)
    path = tmp_path / "keys.json"
    path.write_text(key_set(jwk(OURS, "k1")))
    skew_s = 0.0
    keys = KeySet(str(path), lambda: time.monotonic() + skew_s)
    await keys.start()
    path.unlink()
    skew_s = jwks.KEPT_S + 1
    keys.public_key("k9")
    await until(lambda: keys.public_key("k1") is None)
    await keys.stop()


async def test_an_unexpected_failure_ends_neither_the_refresher_nor_the_limit_of_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "AT_ONCE_S", 0.01)
    path, failed, skew_s = tmp_path / "keys.json", list[str](), 0.0
    path.write_text(key_set(jwk(OURS, "k1")))
    keys = KeySet(str(path), lambda: time.monotonic() + skew_s, failed.append)
    await keys.start()

    def broken(*_: str) -> dict[str | None, rsa.RSAPublicKey]:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr(jwks, "usable_keys", broken)
        assert keys.public_key("k2") is None
        await until(lambda: failed)
        assert keys.public_key("k1") is not None
        skew_s = jwks.KEPT_S + 1
        keys.public_key("k2")
        await until(lambda: keys.public_key("k1") is None)
    path.write_text(key_set(jwk(THEIRS, "k2")))
    await until(lambda: keys.public_key("k2"))
    assert set(failed) == {"token_keys"}
    await keys.stop()


async def test_no_keys_at_the_start_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(KeySetUnusable, match=r"keys at .*gone\.json: FileNotFoundError .*set ZHIYIN_TOKEN_KEYS"):
        await KeySet(str(tmp_path / "gone.json"), time.monotonic).start()


class Provider(SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Provider, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_gateway_takes_tokens_of_a_provider(started: Started, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(key_set(jwk(OURS, "k1")))
    with served(tmp_path) as url:
        purpose = {"token_issuer": "https://id.example", "token_audience": "zhiyin"}
        running = started(redis_url, token_secret="", token_keys=f"{url}/keys.json", **purpose)
        exp = round(time.time()) + 600
        asked = [
            httpx.get(f"{running.addresses.http}/v1/hints", headers={"Authorization": f"Bearer {each}"}).status_code
            for each in (signed(exp=exp), signed(THEIRS, exp=exp), signed(exp=exp, role="ops"))
        ]
        assert asked == [200, 401, 403]
        with pytest.raises(KeySetUnusable, match="404"):
            started(redis_url, token_secret="", token_keys=f"{url}/gone.json")
