"""Order ids: bit by bit what the module says, the slot of their user, and the order of arrival."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import SLOTS, new_order_id, order_slot, user_slot

USER = UUID("5f2cb731-1b87-5476-9f09-037b085b7713")
AT_MS, NS = 0x0193_5D3A_1234, 0xA_BCDE
instants = st.integers(0, (2**48 - 1) * 10**6 + 999_999)
random_bits = st.integers(0, 2**128 - 1)


@pytest.mark.parametrize(
    ("user_id", "slot"),
    [(UUID(int=0), 2901), (UUID(int=2**128 - 1), 1562), (USER, 1121)],
)
def test_slot_of_a_user_never_changes(user_id: UUID, slot: int) -> None:
    """Stored ids carry it, so these numbers are for ever; CRC-32 (ISO-HDLC) computed elsewhere."""
    assert user_slot(user_id) == slot


def test_every_bit_of_an_id_has_its_place() -> None:
    order_id = new_order_id(USER, AT_MS * 10**6 + NS, 2**42 + 0x155_5555_5555)
    assert (order_id.version, order_id.variant) == (7, "specified in RFC 4122")
    assert order_id.int >> 80 == AT_MS
    assert order_id.int >> 64 & 0xFFF == user_slot(USER)
    assert order_id.int >> 42 & 0xF_FFFF == NS
    assert order_id.int & (2**42 - 1) == 0x155_5555_5555


@given(st.uuids(), instants, random_bits)
def test_order_id_carries_the_slot_of_its_user(user_id: UUID, at_ns: int, bits: int) -> None:
    order_id = new_order_id(user_id, at_ns, bits)
    assert order_slot(order_id) == user_slot(user_id) in range(SLOTS)
    assert (order_id.version, order_id.variant) == (7, "specified in RFC 4122")


@given(st.uuids(), st.tuples(instants, instants), st.tuples(random_bits, random_bits))
def test_ids_of_a_user_sort_by_arrival(user_id: UUID, at: tuple[int, int], bits: tuple[int, int]) -> None:
    one, other = (new_order_id(user_id, *each) for each in zip(at, bits, strict=True))
    assert at[0] == at[1] or (one < other) == (at[0] < at[1])


@given(st.uuids(), st.uuids(), st.tuples(instants, instants), random_bits)
def test_ids_of_all_users_sort_by_millisecond(one: UUID, other: UUID, at: tuple[int, int], bits: int) -> None:
    earlier, later = sorted(at)
    if earlier // 10**6 < later // 10**6:
        assert new_order_id(one, earlier, bits) < new_order_id(other, later, bits)
