"""Which desk: stable, even, and few move."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.routing import desk_of

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
