"""What staff see: sagas with everything they did, orders in doubt, the ledger's sums, and what waits."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from shared.contracts.operations import (
    AccountView,
    AssetView,
    BacklogsView,
    BacklogView,
    DeadLetterView,
    DoubtView,
    HoldView,
    ParkedReportView,
    QueueView,
    SagaDetailView,
    SagaOrderView,
    SagaView,
    StepView,
    TransferView,
    TrialBalanceView,
)
from shared.domain.errors import NotFoundError, UnavailableError
from shared.domain.ledger import INR
from shared.domain.money import format_rupees
from shared.domain.published import wire_time
from shared.ports.operations import (
    AccountSum,
    DeadLetter,
    DoubtPosition,
    DoubtRecord,
    HoldRecord,
    LedgerBook,
    MemberRecord,
    OperationsReader,
    QueueFigures,
    QueueInspector,
    SagaDetail,
    SagaRecord,
    SagaState,
    StepRecord,
    TransferRecord,
)

_MOST_SHOWN: Final = 50


class Operations:
    """The use cases that read. All raise UnavailableError when the database is away."""

    def __init__(self, reader: OperationsReader, ledger: LedgerBook, queues: QueueInspector) -> None:
        self._reader = reader
        self._ledger = ledger
        self._queues = queues

    async def sagas(
        self, state: SagaState | None, order_id: UUID | None, before: UUID | None, limit: int
    ) -> tuple[Sequence[SagaView], UUID | None]:
        """Sagas, newest first, and where the next page begins."""
        records = await self._reader.sagas(state, order_id, before, limit + 1)
        shown = records[:limit]
        return [saga_view(record) for record in shown], shown[-1].saga_id if len(records) > limit else None

    async def saga(self, saga_id: UUID) -> SagaDetailView:
        """One saga whole. Raises NotFoundError."""
        detail = await self._reader.saga(saga_id)
        if detail is None:
            raise NotFoundError("There is no such saga")
        return _saga_detail(detail)

    async def doubts(self, after: DoubtPosition | None, limit: int) -> tuple[Sequence[DoubtView], DoubtPosition | None]:
        """Orders in doubt, oldest first, and where the next page begins."""
        records = await self._reader.doubts(after, limit + 1)
        shown = records[:limit]
        more = len(records) > limit
        return [doubt_view(each) for each in shown], DoubtPosition(
            shown[-1].since, shown[-1].order_id
        ) if more else None

    async def trial_balance(self) -> TrialBalanceView:
        """Every account's exact sum, per asset."""
        sums = await self._ledger.sums()
        by_asset = groupby(sorted(sums.sums, key=lambda each: (each.asset, each.account)), key=lambda each: each.asset)
        assets = [_asset(asset, list(accounts)) for asset, accounts in by_asset]
        return TrialBalanceView(
            taken_at=wire_time(sums.taken_at),
            checkpoint_at=_time(sums.checkpoint_at),
            balanced=all(asset.balanced for asset in assets),
            assets=assets,
        )

    async def take_checkpoint(self) -> bool:
        """Sum up the settled part of the ledger, so that balances read only its tail; False when nothing is new."""
        return await self._ledger.take_checkpoint()

    async def backlogs(self) -> BacklogsView:
        """What waits in our tables and on the bus; a bus that is away is a finding, no failure."""
        tables = await self._reader.backlogs()
        parked = await self._reader.parked(None, _MOST_SHOWN)
        queues, dead_letters = await self._look_at_bus()
        return BacklogsView(
            bus="DOWN" if queues is None else "UP",
            tables=[BacklogView(name=t.name, waiting=t.waiting, oldest_at=_time(t.oldest_at)) for t in tables],
            queues=[_queue(queue) for queue in queues or ()],
            dead_letters=[_dead_letter(letter) for letter in dead_letters],
            parked_reports=[
                ParkedReportView(
                    parked_no=each.parked_no,
                    parked_at=wire_time(each.parked_at),
                    reason=each.reason,
                    order_id=None if each.order_id is None else str(each.order_id),
                    body=each.body,
                )
                for each in parked
            ],
        )

    async def _look_at_bus(self) -> tuple[Sequence[QueueFigures] | None, Sequence[DeadLetter]]:
        try:
            figures, dead_letters = await asyncio.gather(self._queues.figures(), self._queues.dead_letters(_MOST_SHOWN))
        except UnavailableError:
            return None, ()
        return figures, dead_letters


def saga_view(record: SagaRecord) -> SagaView:
    """One saga of a list."""
    return SagaView(
        saga_id=str(record.saga_id),
        state=record.state.value,
        claimed_at=wire_time(record.claimed_at),
        deadline=wire_time(record.deadline),
        finished_at=_time(record.finished_at),
        orders=record.orders,
        open_orders=record.open_orders,
        unanswered=record.unanswered,
    )


def doubt_view(record: DoubtRecord) -> DoubtView:
    """One order in doubt."""
    asset, is_open = record.hold_asset, record.hold_open
    return DoubtView(
        order_id=str(record.order_id),
        user_id=str(record.user_id),
        since=wire_time(record.since),
        instrument_id=record.instrument_id,
        side=record.side,
        quantity=record.quantity,
        filled_quantity=record.filled_quantity,
        state=record.state,
        submitted_at=_time(record.submitted_at),
        expire_at=_time(record.expire_at),
        hold_asset=asset,
        hold_open=None if asset is None or is_open is None else amount(asset, is_open),
        evidence=record.evidence,
    )


def amount(asset: str, units: int) -> str:
    """Rupees of INR, a number of anything else."""
    return format_rupees(units) if asset == INR else str(units)


def _saga_detail(detail: SagaDetail) -> SagaDetailView:
    steps, holds, transfers = _by_order(detail.steps), _by_order(detail.holds), _by_order(detail.transfers)
    members = [
        _member(member, steps[member.order_id], holds[member.order_id], transfers[member.order_id])
        for member in detail.members
    ]
    return SagaDetailView(**saga_view(detail.saga).model_dump(), members=members)


def _by_order[Record: (StepRecord, HoldRecord, TransferRecord)](
    records: Iterable[Record],
) -> defaultdict[UUID, list[Record]]:
    grouped: defaultdict[UUID, list[Record]] = defaultdict(list)
    for record in records:
        grouped[record.order_id].append(record)
    return grouped


def _member(
    member: MemberRecord, steps: list[StepRecord], holds: list[HoldRecord], transfers: list[TransferRecord]
) -> SagaOrderView:
    return SagaOrderView(
        user_id=str(member.user_id),
        order_id=str(member.order_id),
        instrument_id=member.instrument_id,
        side=member.side,
        quantity=member.quantity,
        filled_quantity=member.filled_quantity,
        state=member.state,
        pending_request=member.pending_request,
        owner=member.owner,
        deadline=_time(member.deadline),
        in_doubt=member.in_doubt,
        status_message=member.status_message,
        steps=[_step(step) for step in steps],
        holds=[_hold(hold) for hold in holds],
        transfers=[_transfer(transfer) for transfer in transfers],
    )


def _step(step: StepRecord) -> StepView:
    return StepView(
        step=step.step, outcome=step.outcome, detail=step.detail, attempts=step.attempts, at=wire_time(step.at)
    )


def _hold(hold: HoldRecord) -> HoldView:
    return HoldView(
        account=hold.account,
        asset=hold.asset,
        amount=amount(hold.asset, hold.amount),
        captured=amount(hold.asset, hold.captured),
        released=amount(hold.asset, hold.released),
        open=amount(hold.asset, hold.amount - hold.captured - hold.released),
    )


def _transfer(line: TransferRecord) -> TransferView:
    return TransferView(
        line_no=line.transfer_no,
        entry_id=str(line.entry_id),
        debit_account=line.debit_account,
        credit_account=line.credit_account,
        asset=line.asset,
        amount=amount(line.asset, line.amount),
        reason=line.reason,
        booked_at=wire_time(line.booked_at),
    )


def _asset(asset: str, accounts: Sequence[AccountSum]) -> AssetView:
    total = sum(account.balance for account in accounts)
    agree = all(account.accounts in {None, account.balance} for account in accounts)
    return AssetView(
        asset=asset,
        accounts=[
            AccountView(
                account=each.account,
                balance=amount(asset, each.balance),
                clients=None if each.accounts is None else amount(asset, each.accounts),
            )
            for each in accounts
        ],
        total=amount(asset, total),
        balanced=total == 0 and agree,
    )


def _queue(queue: QueueFigures) -> QueueView:
    return QueueView(
        name=queue.name, active=queue.active, dead_lettered=queue.dead_lettered, oldest_at=_time(queue.oldest_at)
    )


def _dead_letter(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        queue=letter.queue,
        sequence_number=letter.sequence_number,
        message_id=letter.message_id,
        enqueued_at=_time(letter.enqueued_at),
        delivery_count=letter.delivery_count,
        reason=letter.reason,
        description=letter.description,
    )


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else wire_time(instant)
