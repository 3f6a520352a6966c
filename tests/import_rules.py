"""Which room may use what, as tables, and the reader of imports that holds them.

In: the source of one first-party module and the room (top folder) it stands in.
Out: one sentence for each thing the room may not do. Nothing is imported or run.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

PRODUCT: Final = frozenset({"operators", "config", "state", "flows", "gateway", "zhiyin"})
ROOMS: Final = PRODUCT | {"tests", "bench"}
MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    "operators": frozenset(),
    "config": frozenset({"operators"}),
    "state": frozenset({"operators", "config"}),
    "flows": frozenset({"operators", "state", "config"}),
    "gateway": frozenset({"operators", "state", "config"}),
    "zhiyin": PRODUCT,
    "tests": ROOMS,
    "bench": ROOMS,
}
USED_IN: Final[Mapping[str, frozenset[str]]] = {
    "bytewax": frozenset({"flows"}),
    "cel": frozenset({"operators"}),
    "confluent_kafka": frozenset({"state"}),
    "cryptography": frozenset({"gateway"}),
    "datasketches": frozenset({"operators"}),
    "httpx": frozenset({"gateway", "zhiyin"}),
    "jsonschema": frozenset({"config"}),
    "jwt": frozenset({"gateway"}),
    "lightgbm": frozenset({"zhiyin"}),
    "matplotlib": frozenset({"zhiyin"}),
    "msgspec": PRODUCT,
    "numpy": frozenset({"zhiyin"}),
    "orjson": frozenset({"state", "flows", "gateway"}),
    "plotly": frozenset({"gateway"}),
    "prometheus_client": frozenset({"config", "flows", "gateway"}),
    "redis": frozenset({"state"}),
    "river": frozenset({"operators"}),
    "sklearn": frozenset({"zhiyin"}),
    "starlette": frozenset({"gateway"}),
    "uvicorn": frozenset({"gateway"}),
    "websockets": frozenset({"gateway"}),
    "xxhash": frozenset({"operators"}),
    "yaml": frozenset({"config"}),
    "zstandard": frozenset({"flows", "zhiyin"}),
}
FREE: Final = frozenset({"tests", "bench"})
"""Rooms that may use any library: they drive the others from outside."""

IMPURE_MODULES: Final = frozenset(
    {
        *("asyncio", "concurrent", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
        *("secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading"),
        *("time", "urllib", "uuid", "warnings"),
    }
)
"""Standard modules that a decision has no business with: clock, chance, network, files, log."""

CLOCKS: Final = frozenset({"now", "utcnow", "today"})
ENVIRONMENT: Final = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})
LONGEST_MODULE_LINES: Final = 400


class Import(NamedTuple):
    """One imported module and where."""

    line: int
    module: str


def breaches(room: str, source: str) -> list[str]:
    """Return ``line N: ...`` for each rule that a module of ``room`` breaks."""
    tree = ast.parse(source)
    found = [*_too_long(source), *_wrong_arrows(room, tree), *_wrong_libraries(room, tree)]
    if room == "operators":
        found += _impurities(tree)
    if room not in FREE | {"config"}:
        found += _environment(tree)
    return found


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.lineno, "." * node.level + (node.module or ""))
        elif isinstance(node, ast.Call) and _name(node.func) in {"__import__", "import_module"}:
            yield Import(node.lineno, _constant(node))


def _wrong_arrows(room: str, tree: ast.Module) -> Iterator[str]:
    for line, module in _imports(tree):
        top = module.partition(".")[0]
        if module.startswith("."):
            yield f"line {line}: relative import {module!r}; write the whole name"
        elif top in ROOMS and top != room and top not in MAY_IMPORT[room]:
            allowed = ", ".join(sorted(MAY_IMPORT[room])) or "nothing of ours"
            yield f"line {line}: {room} imports {module}; it may import {allowed}"


def _wrong_libraries(room: str, tree: ast.Module) -> Iterator[str]:
    for line, module in _imports(tree):
        top = module.partition(".")[0]
        if not top or top in ROOMS or top in sys.stdlib_module_names or room in FREE:
            continue
        if room not in USED_IN.get(top, frozenset()):
            rooms = ", ".join(sorted(USED_IN.get(top, ()))) or "no room: it is not in the table"
            yield f"line {line}: {room} imports {module}, which belongs in {rooms}"


def _impurities(tree: ast.Module) -> Iterator[str]:
    for line, module in _imports(tree):
        if module.partition(".")[0] in IMPURE_MODULES:
            yield f"line {line}: operators imports {module}; decisions take time, chance and input as arguments"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            yield f"line {node.lineno}: operators reads a clock: .{node.func.attr}()"
        elif isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}:
            yield f"line {node.lineno}: operators calls {node.func.id}(); decisions only return records"


def _environment(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) and node.module == "os" else ()
        read = node.attr if isinstance(node, ast.Attribute) and _name(node.value) == "os" else None
        for name in sorted(ENVIRONMENT & {*names, read}):
            yield f"line {getattr(node, 'lineno', 0)}: reads the environment (os.{name}); only config does"


def _too_long(source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > LONGEST_MODULE_LINES:
        yield f"line {lines}: the module has {lines} lines; at most {LONGEST_MODULE_LINES}"


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constant(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    return str(first.value) if isinstance(first, ast.Constant) else ""
