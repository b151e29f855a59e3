"""Order sagas as staff see them: what every step did to every order and its money."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.contracts.common import amount
from shared.contracts.sagas import HoldView, SagaDetailView, SagaOrderView, SagaView, StepView, TransferView
from shared.domain.errors import NotFoundError
from shared.domain.sagas import SagaState
from shared.ports.sagas import HoldRecord, SagaDetail, SagaReader, StepRecord, TransferRecord


class Sagas:
    """The use cases."""

    def __init__(self, reader: SagaReader) -> None:
        self._reader = reader

    async def page(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> tuple[Sequence[SagaView], UUID | None]:
        """Sagas, newest first, and where the next page begins. Raises UnavailableError."""
        records = await self._reader.sagas(state, order_id, before, limit + 1)
        shown = records[:limit]
        return [SagaView.of(record) for record in shown], shown[-1].saga_id if len(records) > limit else None

    async def get(self, saga_id: UUID) -> SagaDetailView:
        """One saga whole. Raises NotFoundError, UnavailableError."""
        detail = await self._reader.saga(saga_id)
        if detail is None:
            raise NotFoundError("There is no such saga: check the saga_id")
        return SagaDetailView.of(detail.saga, members=_members(detail))


def _members(detail: SagaDetail) -> list[SagaOrderView]:
    steps, holds, transfers = _by_order(detail.steps), _by_order(detail.holds), _by_order(detail.transfers)
    return [
        SagaOrderView.of(
            member,
            steps=[StepView.of(step) for step in steps[member.order_id]],
            holds=[_hold(hold) for hold in holds[member.order_id]],
            transfers=[_transfer(line) for line in transfers[member.order_id]],
        )
        for member in detail.members
    ]


def _by_order[Record: (StepRecord, HoldRecord, TransferRecord)](
    records: Iterable[Record],
) -> defaultdict[UUID, list[Record]]:
    grouped: defaultdict[UUID, list[Record]] = defaultdict(list)
    for record in records:
        grouped[record.order_id].append(record)
    return grouped


def _hold(hold: HoldRecord) -> HoldView:
    return HoldView.of(
        hold,
        amount=amount(hold.asset, hold.amount),
        captured=amount(hold.asset, hold.captured),
        released=amount(hold.asset, hold.released),
        open=amount(hold.asset, hold.open),
    )


def _transfer(line: TransferRecord) -> TransferView:
    return TransferView.of(line, line_no=line.transfer_no, amount=amount(line.asset, line.amount))
