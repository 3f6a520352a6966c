"""The page about metrics says what the processes count."""

from prometheus_client import CollectorRegistry, generate_latest

from config.metric import PROCESS_METRICS
from flows.metrics.engine import TABLE as ENGINE_TABLE
from flows.metrics.engine import EngineMetrics
from gateway.runtime.metrics import TABLE as GATEWAY_TABLE
from gateway.runtime.metrics import GatewayMetrics
from tests.parts.machine import ROOT
from zhiyin.admin.metrics_reference import reference_page


def served(registry: CollectorRegistry) -> set[str]:
    """The names a process serves, as Prometheus knows them."""
    lines = generate_latest(registry).decode().splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    return {name for name in names if not name.endswith("_created")}


def test_the_page_is_what_the_program_prints() -> None:
    assert (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8") == reference_page()


def test_the_page_names_everything_that_is_served_and_nothing_else() -> None:
    assert served(EngineMetrics().registry) == {row.name for row in ENGINE_TABLE} | PROCESS_METRICS.keys()
    assert served(GatewayMetrics().registry) == {row.name for row in GATEWAY_TABLE} | PROCESS_METRICS.keys()
    page = reference_page()
    assert all(f"| `{name}` |" in page for name in PROCESS_METRICS)
    assert all(f"| `{row.name}` |" in page for row in (*ENGINE_TABLE, *GATEWAY_TABLE))


def test_names_are_ours_and_no_label_names_a_person() -> None:
    rows = (*ENGINE_TABLE, *GATEWAY_TABLE)
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.name.startswith("zhiyin_") for row in rows)
    assert {label for row in rows for label in row.labels}.isdisjoint({"customer", "customer_id", "transaction_id"})
