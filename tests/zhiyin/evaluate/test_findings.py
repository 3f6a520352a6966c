"""What is found about predictions from a world whose chances are known; the batch model knows only the past."""

import numpy as np
import pytest

from tests.zhiyin.evaluate.predictions_made import BEGIN_MS, MINUTE_MS, scored
from zhiyin.evaluate.batch_model import PARTS, BatchModelMissing, batch_scores, spans
from zhiyin.evaluate.findings import Compared, Finding, findings, reliability_of
from zhiyin.evaluate.predictions import FEATURES, Predictions, Table


def table_of(count: int, seed: int = 1) -> Table:
    predictions = Predictions()
    predictions.add(scored(count, seed))
    return predictions.table()


def found(compared: Compared, span: str, checkpoint_s: float | None = None) -> dict[str, Finding]:
    inside = [each for each in findings(compared) if (each.span, each.checkpoint_s) == (span, checkpoint_s)]
    return {each.model: each for each in inside}


def test_predictions_stand_in_columns_in_the_order_of_their_outcomes() -> None:
    table = table_of(5)
    assert table.at_ms.tolist() == [BEGIN_MS + n * MINUTE_MS for n in range(5)]
    assert (table.settled_ms - table.at_ms).tolist() == [10 * MINUTE_MS] * 5
    first = dict(zip(FEATURES, table.features[0].tolist(), strict=True))
    known = next(scored(1)).features
    assert table.checkpoint_ms[0] == known.idle_ms
    assert (first["dwell_1_back"], first["dwell_2_back"]) == (known.trail[-1], -1)
    assert (first["hesitation"], first["step_failed"], first["steps_before"]) == (1, 0, 1)


def test_the_batch_model_finds_what_the_step_alone_does_not_know() -> None:
    table = table_of(6_000)
    compared = Compared("loan", "unfinished", table, batch_scores(table))
    by_model = found(compared, "last_third")
    assert set(by_model) == {"learned", "step", "batch"}
    learned, step, batch = (by_model[model].measures for model in ("learned", "step", "batch"))
    assert learned.rows == step.rows == batch.rows == pytest.approx(2_000, abs=2)
    assert learned.auc is not None
    assert batch.auc is not None
    assert step.auc is not None
    assert learned.auc > batch.auc > step.auc + 0.1
    assert learned.log_loss < batch.log_loss < step.log_loss
    assert set(found(compared, "all")) == {"learned", "step"}
    assert set(found(compared, "after_10000")) == set()
    assert found(compared, "all", 30.0)["learned"].measures.rows < 6_000
    assert reliability_of(compared).bins[0].mean_score < 0.1


def test_the_batch_model_is_trained_on_the_past_only() -> None:
    table = table_of(3_000)
    changed = table_of(3_000)
    begin_ms, _ = spans(table)[2]
    later = table.settled_ms >= begin_ms
    changed.features[later] += 1
    flipped = np.where(later, ~table.outcome, table.outcome)
    told, told_otherwise = (
        batch_scores(table),
        batch_scores(
            Table(*(flipped if name == "outcome" else getattr(changed, name) for name in Table.__struct_fields__))
        ),
    )
    before = (table.at_ms < begin_ms) & ~later
    assert np.isfinite(told[before]).any()
    assert np.array_equal(told[before], told_otherwise[before], equal_nan=True)
    assert not np.array_equal(told, told_otherwise, equal_nan=True)


def test_the_parts_hold_as_many_rows_each() -> None:
    table = table_of(600)
    parts = spans(table)
    rows = [int(((table.at_ms >= begin) & (table.at_ms < end)).sum()) for begin, end in parts]
    assert len(parts) == PARTS - 1
    assert all(rows_of == pytest.approx(100, abs=1) for rows_of in rows)


def test_too_few_rows_are_not_trained_on_and_none_give_nothing() -> None:
    assert np.isnan(batch_scores(table_of(300))).all()
    assert list(findings(Compared("loan", "unfinished", table_of(0), None))) == []
    assert set(found(Compared("loan", "unfinished", table_of(50), None), "last_third")) == {"learned", "step"}


def test_without_lightgbm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BatchModelMissing, match="found no package lightgbm, expected it for the comparison"):
        batch_scores(table_of(10))
