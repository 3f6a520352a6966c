"""Decoders are made where modules are loaded: two threads that make msgspec's first one of a type at once crash."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.parts.bound import bound
from tests.parts.machine import ROOT

ROOMS_WITH_THREADS = ("operators", "state", "flows")
MADE_IN_THE_CLASS = {"operators/support/snapshot_codec.py"}
FIRST_USE = """
import sys, threading, msgspec
sys.setswitchinterval(1e-6)
for _ in range(3_000):
    inner = msgspec.defstruct("Inner", [("number", int), ("shares", dict[str, float])], array_like=True)
    row = msgspec.defstruct("Row", [("key", str), ("inner", list[inner]), *((f"f{n}", int, 0) for n in range(10))])
    packed = msgspec.msgpack.encode([{"key": "k", "inner": [[1, {}]]}])
    decoder = msgspec.msgpack.Decoder(list[row]) if sys.argv[1] == "loaded" else None
    together = threading.Barrier(2)
    def work():
        together.wait()
        decoder.decode(packed) if decoder else msgspec.msgpack.decode(packed, type=list[row])
    threads = [threading.Thread(target=work) for _ in range(2)]
    [each.start() for each in threads], [each.join() for each in threads]
"""


def made_late(source: str) -> list[int]:
    """The lines of functions that make a decoder of a type."""
    return sorted({line for function in _functions(source) for line in _made_in(function)})


def _functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def _made_in(function: ast.AST) -> Iterator[int]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            typed = node.func.attr in {"decode", "convert"} and any(each.arg == "type" for each in node.keywords)
            if typed or node.func.attr == "Decoder" or (node.func.attr == "convert" and len(node.args) > 1):
                yield node.lineno


def test_no_function_of_a_room_with_threads_makes_a_decoder() -> None:
    modules = {
        str(file.relative_to(ROOT)): file.read_text("utf-8")
        for room in ROOMS_WITH_THREADS
        for file in (ROOT / room).rglob("*.py")
    }
    late = {name: lines for name, source in modules.items() if (lines := made_late(source))}
    assert late.keys() == MADE_IN_THE_CLASS, late


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("D = msgspec.json.Decoder(Row)\ndef f(x): return D.decode(x)", []),
        ("def f(x):\n    return msgspec.json.decode(x, type=Row)", [2]),
        ("async def f(x):\n    return msgspec.convert(x, type=Row)", [2]),
        ("def f(x):\n    return msgspec.convert(x, Row)", [2]),
        ("class C:\n    def f(self):\n        self.d = msgspec.msgpack.Decoder(Row)", [3]),
        ("f = lambda x: msgspec.json.decode(x, type=Row)", [1]),
        ("def f(x):\n    return msgspec.json.decode(x), x.decode()", []),
    ],
)
def test_a_decoder_made_late_is_found(source: str, lines: list[int]) -> None:
    assert made_late(source) == lines


def test_a_decoder_made_before_is_safe_in_two_threads() -> None:
    assert subprocess.run(bound([sys.executable, "-c", FIRST_USE, "loaded"]), check=False).returncode == 0
