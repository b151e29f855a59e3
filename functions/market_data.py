"""The market feed from Event Hubs, in batches of one partition."""

from datetime import UTC, datetime
from typing import List

import azure.durable_functions as df
import azure.functions as func

from shared.composition import application
from shared.ports.parked_events import FeedEvent

blueprint = df.Blueprint()


@blueprint.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="market-ticks",
    consumer_group="ingest",
    connection="EVENT_HUBS_CONNECTION",
    cardinality=func.Cardinality.MANY,
    data_type=func.DataType.BINARY,
)
async def market_data(events: List[func.EventHubEvent]) -> None:
    """Take them in; the checkpoint moves on after this, so nothing here relies on being called again."""
    context = (events[0].metadata or {}).get("PartitionContext") or {}
    partition = str(context.get("PartitionId", ""))
    app = await application()
    await app.market_data.ingest(
        [FeedEvent(partition, str(each.offset), _utc(each.enqueued_time), each.get_body()) for each in events]
    )


def _utc(instant: datetime | None) -> datetime | None:
    """The binding's times of batches are UTC without saying so."""
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant
