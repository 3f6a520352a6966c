"""The table of roles: the page says what the code asks, and no role may do what no row gives it."""

import re

import httpx
import pytest

from gateway.auth.roles import ADMIN, OPS, ROLES, TABLE, WHO, roles_page
from gateway.openapi.document import openapi_document
from tests.gateway.running import RunningGateway, bearer
from tests.parts.machine import ROOT

PAGE = "docs/reference/roles.md"


def test_the_committed_page_is_the_written_one() -> None:
    assert (ROOT / PAGE).read_text("utf-8") == roles_page(), f"write it anew: python -m gateway.auth.roles > {PAGE}"


def test_every_row_names_roles_that_exist() -> None:
    assert set(WHO) == set(ROLES)
    assert all(right.roles and set(right.roles) <= set(ROLES) for right in TABLE)
    assert len({right.action for right in TABLE}) == len(TABLE)


def test_every_path_that_wants_a_token_is_in_the_table() -> None:
    said = " ".join(right.where for right in TABLE)
    wants = [
        path
        for path, methods in openapi_document()["paths"].items()
        if any({"token": []} in operation.get("security", ()) for operation in methods.values())
    ]
    assert len(wants) >= 3
    assert [
        path for path in wants if re.sub(r"\{[a-z_]+\}", "{id}", path) not in re.sub(r"\{[a-z_]+\}", "{id}", said)
    ] == []


@pytest.mark.parametrize("role", [OPS, ADMIN, "stranger"])
def test_who_has_no_right_to_customers_reads_none(gateway: RunningGateway, role: str) -> None:
    asked = {
        path: httpx.get(f"{gateway.addresses.http}{path}", headers=bearer("x", role)).status_code
        for path in ("/v1/customers/c-1/next-hints", "/v1/hints")
    }
    assert set(asked.values()) == {403}
