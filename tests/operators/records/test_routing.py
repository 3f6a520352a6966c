"""Which desk: stable, even, and few move."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.records.routing import (
    EVERYBODY,
    NOWHERE,
    Reach,
    Whereabouts,
    desk_of,
    destination,
    has_skill,
    is_queue,
    queue_of,
)

DESKS = [f"desk-{number}" for number in range(1, 6)]
CUSTOMERS = [f"customer-{number}" for number in range(5_000)]
desk_lists = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=6, unique=True)


def test_it_is_the_same_everywhere_and_for_ever() -> None:
    found = [desk_of(customer, DESKS) for customer in ("u1", "张三", "", "\ud800")]
    assert found == ["desk-2", "desk-2", "desk-5", "desk-5"]


def test_customers_are_spread_evenly() -> None:
    served = Counter(desk_of(customer, DESKS) for customer in CUSTOMERS)
    assert set(served) == set(DESKS)
    assert all(850 <= count <= 1_150 for count in served.values())


def test_a_desk_that_leaves_moves_only_its_own_customers() -> None:
    before = {customer: desk_of(customer, DESKS) for customer in CUSTOMERS}
    after = {customer: desk_of(customer, DESKS[:-1]) for customer in CUSTOMERS}
    moved = [customer for customer in CUSTOMERS if before[customer] != after[customer]]
    assert {before[customer] for customer in moved} == {"desk-5"}


@settings(deadline=None)
@given(st.text(), desk_lists)
def test_the_order_of_the_list_does_not_matter(customer: str, desks: list[str]) -> None:
    assert desk_of(customer, desks) == desk_of(customer, reversed(desks))
    assert desk_of(customer, desks) in desks


def test_no_desks_is_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match="desks: found an empty list, expected at least one desk id; name one in the"):
        desk_of("u1", [])


def test_a_hint_goes_to_the_desk_in_contact_else_to_the_owner_on_line_else_to_a_queue() -> None:
    known = Whereabouts(owner="d7", branch="sh", in_contact="d3")
    assert destination("u1", known, {"d7", "d3"}, DESKS) == "d3"
    assert destination("u1", known, {"d7"}, DESKS) == "d7"
    known = Whereabouts(owner="d7", branch="sh")
    assert destination("u1", known, {"d7"}, DESKS) == "d7"
    assert destination("u1", known, {"d8"}, DESKS) == "queue:sh"
    assert destination("u1", Whereabouts(owner="d7"), (), DESKS) == "queue:general"
    assert destination("u1", Whereabouts(region="east"), (), DESKS) == "queue:general"


def test_of_whom_nobody_has_said_anything_a_desk_is_drawn() -> None:
    assert destination("u1", NOWHERE, (), DESKS) == desk_of("u1", DESKS)
    assert destination("u1", Whereabouts(group="gold"), (), DESKS) == desk_of("u1", DESKS)


def test_who_may_see_whom() -> None:
    assert EVERYBODY.allows(None, None)
    assert EVERYBODY.allows("sh", "east")
    some = Reach(branches=("sh",), regions=("north",))
    seen = [some.allows(*place) for place in (("sh", None), ("bj", "north"), ("bj", "east"), (None, None))]
    assert seen == [True, True, False, False]


def test_skills_are_asked_only_where_one_is_needed() -> None:
    assert has_skill(None, "claims")
    assert has_skill((), None)
    assert has_skill(("claims",), "claims")
    assert not has_skill(("loans",), "claims")


def test_queues_are_no_desks() -> None:
    assert (queue_of("sh"), queue_of(None)) == ("queue:sh", "queue:general")
    assert is_queue("queue:sh")
    assert not is_queue("queue-desk")
