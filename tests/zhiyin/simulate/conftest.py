"""The catalogue that simulations are of."""

import pytest

from config import load_catalogue
from operators.records.catalogue import Catalogue
from tests.parts.machine import ROOT


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The catalogue that comes with Zhiyin."""
    return load_catalogue(ROOT / "config" / "catalog")
