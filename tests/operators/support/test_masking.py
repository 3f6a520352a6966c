from hypothesis import given
from hypothesis import strategies as st

from operators.support.masking import masked


def test_the_same_customer_has_the_same_mask_and_another_key_another() -> None:
    assert masked("anna", b"key") == masked("anna", b"key") == "c-" + masked("anna", b"key")[2:]
    assert len(masked("anna", b"key")) == 18
    assert len({masked("anna", b"key"), masked("anna", b"other"), masked("bert", b"key")}) == 3


@given(st.text(), st.binary(max_size=200))
def test_any_id_and_any_key_give_a_mask_without_the_id(customer_id: str, key: bytes) -> None:
    mask = masked(customer_id, key)
    assert mask.startswith("c-")
    assert set(mask[2:]) <= set("0123456789abcdef")
