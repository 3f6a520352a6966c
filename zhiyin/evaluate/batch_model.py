"""The batch model to compare with: gradient-boosted trees (LightGBM), trained on the past only.

In: a table of predictions. Out: a score for each row, nan where there was no past to train on. Refused: a machine
without LightGBM (``BatchModelMissing``).

The rows are cut at ``PARTS - 1`` instants into parts of as many rows each. Each part but the first is scored by a model
trained on every row whose outcome was known before the part began: an expanding window. Each checkpoint has models of
its own. They know the same as the online model: the step, the times at the last steps, the pace, the signs of struggle.
The settings are those that did best on the recorded clients among nine tried, so that the comparison is a fair one:
small trees, few rounds, and no hour or weekday, with which it was worse.
"""

import importlib.util
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zhiyin.evaluate.measures import ScoreArray
from zhiyin.evaluate.predictions import CATEGORIES, FEATURES, Table

Rows = NDArray[np.bool_]

PARTS: Final = 6
FEWEST_ROWS: Final = 200
"""On fewer rows nothing is trained."""

_SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "lambda_l2": 5,
    "max_cat_to_onehot": 16,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 1,
    "verbosity": -1,
}
_ROUNDS: Final = 60


class BatchModelMissing(Exception):
    """There is no LightGBM here."""

    def __init__(self) -> None:
        super().__init__(
            "batch model: found no package lightgbm, expected it for the comparison with a batch model; "
            "install the evaluation packages (make setup), or read on without it"
        )


def batch_scores(table: Table) -> ScoreArray:
    """What the batch model says of each row. Raises BatchModelMissing."""
    if importlib.util.find_spec("lightgbm") is None:
        raise BatchModelMissing
    scores = np.full(len(table.outcome), np.nan)
    for begin_ms, end_ms in spans(table):
        for checkpoint_ms in np.unique(table.checkpoint_ms):
            here = table.checkpoint_ms == checkpoint_ms
            inside = here & (table.at_ms >= begin_ms) & (table.at_ms < end_ms)
            past = here & (table.settled_ms < begin_ms)
            if inside.any() and past.sum() >= FEWEST_ROWS and len(set(table.outcome[past].tolist())) > 1:
                scores[inside] = _predicted(table, past, inside)
    return scores


def spans(table: Table) -> list[tuple[int, int]]:
    """The parts that are scored: from which instant to which."""
    if not len(table.at_ms):
        return []
    cuts = [int(np.quantile(table.at_ms, part / PARTS, method="lower")) for part in range(1, PARTS)]
    return list(zip(cuts, [*cuts[1:], int(np.max(table.at_ms)) + 1], strict=True))


def _predicted(table: Table, past: Rows, inside: Rows) -> ScoreArray:
    """Trained on the rows ``past``, what is said of the rows ``inside``."""
    import lightgbm

    rows = lightgbm.Dataset(
        table.features[past],
        table.outcome[past].astype(np.int64),
        feature_name=list(FEATURES),
        categorical_feature=list(CATEGORIES),
    )
    model = lightgbm.train(_SETTINGS, rows, num_boost_round=_ROUNDS)
    return np.asarray(model.predict(table.features[inside]), dtype=np.float64)
