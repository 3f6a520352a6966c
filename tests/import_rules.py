"""The tables of rooms, packages and libraries, and the reader of imports that keeps them.

In: the path and the source of one first-party module.
Out: one sentence for each rule that it breaks. Nothing is imported or run.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePath
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
PACKAGE_MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    "operators/support": frozenset(),
    "operators/records": frozenset({"operators/support"}),
    "operators/tracking": frozenset({"operators/records", "operators/support"}),
    "operators/reasons": frozenset({"operators/records", "operators/tracking"}),
    "operators/hints": frozenset({"operators/reasons", "operators/records", "operators/support"}),
    "operators/outreach": frozenset({"operators/hints", "operators/records", "operators/support"}),
    "operators/contacts": frozenset({"operators/hints", "operators/reasons", "operators/records", "operators/support"}),
    "operators/monitoring": frozenset({"operators/records", "operators/support", "operators/tracking"}),
    "operators/learning": frozenset(
        {
            "operators/hints",
            "operators/outreach",
            "operators/reasons",
            "operators/records",
            "operators/support",
            "operators/tracking",
        }
    ),
    "config/documents": frozenset(),
    "config/loader": frozenset({"config/documents"}),
    "config/settings": frozenset({"config/documents"}),
    "config": frozenset({"config/documents", "config/loader", "config/settings"}),
    "state/redis": frozenset(),
    "state/snapshots": frozenset(),
    "state/bus": frozenset({"state/redis"}),
    "state/kafka": frozenset({"state/bus"}),
    "state/audit": frozenset({"state/redis"}),
    "state/facts": frozenset({"state/kafka", "state/redis"}),
    "state/outreach": frozenset({"state/redis"}),
    "state/hints": frozenset({"state/facts", "state/redis"}),
    "state/contacts": frozenset({"state/facts", "state/hints", "state/redis"}),
    "state/monitoring": frozenset({"state/facts", "state/redis"}),
    "state/dead_letters": frozenset({"state/bus", "state/kafka", "state/redis"}),
    "state": frozenset({"state/bus", "state/kafka", "state/redis"}),
    "flows/metrics": frozenset(),
    "flows/cluster": frozenset(),
    "flows/sinks": frozenset({"flows/metrics"}),
    "flows/steps": frozenset({"flows/sinks"}),
    "flows/sources": frozenset({"flows/steps"}),
    "flows": frozenset({"flows/steps"}),
    "flows/live": frozenset({"flows", "flows/cluster", "flows/metrics", "flows/sinks", "flows/sources", "flows/steps"}),
    "flows/replay": frozenset({"flows", "flows/live", "flows/sinks", "flows/sources", "flows/steps"}),
    "gateway/runtime": frozenset(),
    "gateway/http": frozenset({"gateway/runtime"}),
    "gateway/auth": frozenset({"gateway/http", "gateway/runtime"}),
    "gateway/services": frozenset({"gateway/auth", "gateway/runtime"}),
    "gateway/ingest": frozenset({"gateway/http", "gateway/runtime"}),
    "gateway/api": frozenset({"gateway/auth", "gateway/http", "gateway/runtime", "gateway/services"}),
    "gateway/push": frozenset({"gateway/auth", "gateway/http", "gateway/runtime", "gateway/services"}),
    "gateway/pages": frozenset({"gateway/push"}),
    "gateway/openapi": frozenset({"gateway/api", "gateway/http", "gateway/ingest"}),
    "gateway": frozenset(
        {
            "gateway/api",
            "gateway/auth",
            "gateway/http",
            "gateway/ingest",
            "gateway/openapi",
            "gateway/pages",
            "gateway/push",
            "gateway/runtime",
            "gateway/services",
        }
    ),
    "zhiyin/console": frozenset(),
    "zhiyin/dashboards": frozenset(),
    "zhiyin/processes": frozenset({"zhiyin/console"}),
    "zhiyin/simulate": frozenset({"zhiyin/console", "zhiyin/processes"}),
    "zhiyin/up": frozenset({"zhiyin/console", "zhiyin/processes", "zhiyin/simulate"}),
    "zhiyin/admin": frozenset({"zhiyin/console", "zhiyin/processes"}),
    "zhiyin/evaluate": frozenset({"zhiyin/admin", "zhiyin/console"}),
    "zhiyin/cli": frozenset(
        {
            "zhiyin/admin",
            "zhiyin/console",
            "zhiyin/evaluate",
            "zhiyin/processes",
            "zhiyin/simulate",
            "zhiyin/up",
        }
    ),
    "zhiyin": frozenset({"zhiyin/cli", "zhiyin/console"}),
}
"""Inside a room: package -> packages of the same room it may import. A room's own name stands for its top.

Between rooms ``MAY_IMPORT`` decides. Folders inside a package (``state/redis/scripts``) belong to it.
"""
MOST_MODULES: Final = 15
"""So many modules a package has at most, beside its ``__init__``."""
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

UNKNOWN_MODULE: Final = "?"
"""The module of an import whose name is worked out at run time."""

CLOCKS: Final = frozenset({"now", "utcnow", "today"})
ENVIRONMENT: Final = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})
LONGEST_MODULE_LINES: Final = 400
_ROOM_AND_MODULE: Final = 2


class Import(NamedTuple):
    """One imported module and where."""

    line: int
    module: str


def breaches(path: PurePath, source: str) -> list[str]:
    """Return ``line N: ...`` for each rule that the module at ``path`` (from the project's root) breaks."""
    room, tree = path.parts[0], ast.parse(source)
    found = [*_too_long(source), *_wrong_arrows(room, tree), *_wrong_libraries(room, tree)]
    found += _wrong_package_arrows(package_of(path), tree)
    if room == "operators":
        found += _impurities(tree)
    if room not in FREE | {"config"}:
        found += _environment(tree)
    return found


def package_of(path: PurePath) -> str:
    """The package of a module: room and subject, or the room alone for what stands at its top."""
    return "/".join(path.parts[:2]) if len(path.parts) > _ROOM_AND_MODULE else path.parts[0]


def package_arrows(path: PurePath, source: str) -> set[tuple[str, str]]:
    """The arrows from the package of a module to other packages of its room."""
    package = package_of(path)
    targets = {_package_in_room(package, module) for _, module in _imports(ast.parse(source))}
    return {(package, target) for target in targets if target is not None and target != package}


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = (f"{module}.{alias.name}" for alias in node.names)
            yield from (Import(node.lineno, name) for name in (names if module in ROOMS else (module,)))
        elif isinstance(node, ast.Call) and _name(node.func) in {"__import__", "import_module"}:
            yield Import(node.lineno, _constant(node))


def _wrong_arrows(room: str, tree: ast.Module) -> Iterator[str]:
    for line, module in _imports(tree):
        top = module.partition(".")[0]
        if module == UNKNOWN_MODULE and room in PRODUCT:
            yield f"line {line}: imports a module whose name is worked out at run time; write the name"
        elif module.startswith("."):
            yield f"line {line}: relative import {module!r}; write the whole name"
        elif top in ROOMS and top != room and top not in MAY_IMPORT[room]:
            allowed = ", ".join(sorted(MAY_IMPORT[room])) or "nothing of ours"
            yield f"line {line}: {room} imports {module}; it may import {allowed}"


def _wrong_package_arrows(package: str, tree: ast.Module) -> Iterator[str]:
    if package.partition("/")[0] not in PRODUCT:
        return
    allowed = PACKAGE_MAY_IMPORT.get(package)
    for line, module in _imports(tree):
        target = _package_in_room(package, module)
        if target is None or target == package:
            continue
        if allowed is None:
            yield f"line {line}: {package} is not in the table of packages; add its row"
        elif target not in allowed:
            names = ", ".join(sorted(allowed)) or "no other package of its room"
            yield f"line {line}: {package} -> {target} ({module}); it may import {names}"


def _package_in_room(package: str, module: str) -> str | None:
    """The package that ``module`` belongs to, where that is of the same room as ``package``; else None."""
    room, *rest = module.split(".")
    if room != package.partition("/")[0]:
        return None
    inside = f"{room}/{rest[0]}" if rest else room
    return inside if inside in PACKAGE_MAY_IMPORT else room


def _wrong_libraries(room: str, tree: ast.Module) -> Iterator[str]:
    for line, module in _imports(tree):
        top = module.partition(".")[0]
        if not top or top == UNKNOWN_MODULE or top in ROOMS or top in sys.stdlib_module_names or room in FREE:
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
    named = first if first is not None else next((word.value for word in call.keywords if word.arg == "name"), None)
    return str(named.value) if isinstance(named, ast.Constant) else UNKNOWN_MODULE
