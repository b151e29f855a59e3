"""The market feed as its own process: what the exchange publishes, conflated without loss, into Azure Event Hubs.

Frames, sequences and resends: docs/reference/market-feed.md. It keeps nothing: killed at any moment it begins the next
epoch with a keyframe; what was lost is missed by its numbers, and the exchange resends it. While Event Hubs is away it
joins what happens, a window a minute and instrument, for a quarter of an hour.

Parts: `frames` (the messages), `conflation` and `channel` (what is due) are pure; `publisher` sends shard by shard;
`live` reads the exchange, `replay` a recording or what `generator` makes up; `event_hubs` is the SDK.
"""
