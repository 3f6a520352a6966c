import gzip
import zlib

import pytest

from gateway.http.problems import HttpProblem
from gateway.http.request_body import too_big, unpacked

LIMIT = 1_000


def test_a_gzip_stream_is_unpacked() -> None:
    assert unpacked(gzip.compress(b"x" * LIMIT, mtime=0), LIMIT) == b"x" * LIMIT


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"plain", 400, "the body is no gzip stream: Error -3 while decompressing data: incorrect header check"),
        (b"", 400, "the body is no gzip stream: a stream that is not complete after 0 bytes"),
        (gzip.compress(b"x" * 100, mtime=0)[:-4], 400, "a stream that is not complete after"),
        (gzip.compress(b"x", mtime=0) + b"more", 400, "the body is no gzip stream: 4 bytes after its end"),
        (zlib.compress(b"x"), 400, "incorrect header check"),
        (gzip.compress(b"x" * (LIMIT + 1), mtime=0), 413, "more than 1000 bytes after unpacking"),
        (
            gzip.compress(b"\0" * 50_000_000, mtime=0),
            413,
            "at most 1000 bytes a request are taken: send smaller batches",
        ),
    ],
)
def test_what_is_not_unpacked(body: bytes, status: int, text: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        unpacked(body, LIMIT)
    assert caught.value.status == status
    assert text in str(caught.value)


def test_too_big_names_both_sizes() -> None:
    problem = too_big("7 bytes", 5)
    assert problem.detail == "the request has 7 bytes, at most 5 bytes a request are taken: send smaller batches"
