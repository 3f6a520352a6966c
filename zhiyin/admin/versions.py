"""Which versions of what we stand on are here.

In: nothing. Out: name and version of each library that must be there, None where it is missing.
"""

import platform
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

from zhiyin.console.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[2]
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*)(;.*)?")


def required_libraries() -> dict[str, str]:
    """What ``pyproject.toml`` asks for on every machine: name to the versions that will do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    matches = [_REQUIREMENT.fullmatch(requirement) for requirement in project["dependencies"]]
    return {match[1]: match[2].strip() for match in matches if match is not None and match[3] is None}


def installed_version(library: str) -> str | None:
    """The version that is installed; None when it is not."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def suits(version: str, wanted: str) -> bool:
    """Whether ``version`` (digits and dots) is within ``wanted``, such as ``>=8.1,<9`` or ``==0.21.1``."""
    compare = {
        ">=": lambda installed, limit: installed >= limit,
        "<": lambda installed, limit: installed < limit,
        "==": lambda installed, limit: installed == limit,
    }
    limits = re.findall(r"(>=|<|==)\s*([0-9.]+)", wanted)
    return all(compare[sign](_numbers(version), _numbers(limit)) for sign, limit in limits)


def version_lines() -> str:
    """``zhiyin 0.1.0``, Python, and each library, one a line."""
    lines = [f"zhiyin {VERSION}", f"Python {platform.python_version()} on {platform.platform()}"]
    lines += [f"{name} {installed_version(name) or 'missing'}" for name in required_libraries()]
    return "\n".join(lines) + "\n"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version))
