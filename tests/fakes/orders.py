"""`OrderRecords` in memory."""

from collections.abc import Sequence
from uuid import UUID

from shared.domain.ledger.accounts import INR, Account, BalanceKey
from shared.domain.orders.order import Order, OrderKey
from shared.json_values import Json
from shared.ports.orders import AdmissionFacts, Inquiry, OrderFilter
from tests.fakes.memory import Memory


class MemoryOrderRecords:
    """`OrderRecords` on `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def inquire(self, inquiries: Sequence[Inquiry]) -> list[AdmissionFacts]:
        return [self._facts(inquiry) for inquiry in inquiries]

    def _facts(self, inquiry: Inquiry) -> AdmissionFacts:
        user, claim = inquiry.claim.user_id, inquiry.claim
        used_by = (
            key.order_id
            for key, order in self._memory.orders.items()
            if claim.client_order_id is not None
            and (key.user_id, order.client_order_id) == (user, claim.client_order_id)
        )
        return AdmissionFacts(
            kyc_status=self._memory.kyc.get(user),
            available_cash=self._available(BalanceKey(user, Account.CASH, INR)),
            free_quantity=self._available(BalanceKey(user, Account.HOLDINGS, inquiry.asset)),
            stored=None if claim.idempotency_key is None else self._memory.answers.get((user, claim.idempotency_key)),
            client_order_id_used_by=next(used_by, None),
            stream_sequence=self._memory.sequences.get(user, 1) - 1,
        )

    def _available(self, key: BalanceKey) -> int:
        balance = self._memory.balances.get(key)
        return 0 if balance is None else balance.available

    async def get(self, user_id: UUID, order_id: UUID) -> Order | None:
        return self._memory.orders.get(OrderKey(user_id, order_id))

    async def page(self, user_id: UUID, wanted: OrderFilter, limit: int) -> list[Order]:
        found = [
            order
            for key, order in self._memory.orders.items()
            if key.user_id == user_id
            and wanted.status in {None, order.status}
            and wanted.instrument_id in {None, order.terms.instrument_id}
            and (wanted.before is None or order.order_id < wanted.before)
        ]
        return sorted(found, key=lambda order: order.order_id, reverse=True)[:limit]

    async def history(self, user_id: UUID, order_id: UUID) -> list[Json]:
        return list(self._memory.history.get(OrderKey(user_id, order_id), ()))
