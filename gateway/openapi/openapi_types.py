"""The parts an OpenAPI document is made of, as types."""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
Operation = dict[str, Any]
OperationBuilder = Callable[[str, str, str, list[dict[str, Any]], tuple[int, ...]], Operation]
"""Takes operation id, summary, the name of the answer's schema, parameters and the statuses of problems."""
