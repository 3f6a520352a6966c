"""Facts as they stand in saved state."""

import msgspec

from operators.records.facts import Fact, FeatureEffect

STORED = (
    *("kind", "at_ms", "attempt_id", "customer_id", "journey", "transaction_id", "step", "cause", "idle_ms", "score"),
    *("recovered", "reasons", "signals", "cell", "moved", "drifting", "will_contact", "need"),
)
"""A name that changes here makes what engines have saved unreadable: a fact of before loses that field."""


def test_the_names_in_saved_state_stay() -> None:
    fact = Fact(
        "abandoned", 1, "a", "anna", "loan", None, None, segment="app\tgold", effects=(FeatureEffect("f", 0.5),)
    )
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(fact))
    assert tuple(stored) == STORED
    assert (stored["cell"], stored["moved"]) == ("app\tgold", [{"feature": "f", "effect": 0.5}])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=Fact) == fact
