"""The store's statements by name.

Arrays of text go over in binary (%b): escaping JSON into a text array costs more than everything else of a batch.
"""

TAKE_LOCK = "SELECT pg_try_advisory_lock(%s)"

# What this transaction writes can be computed again from the journal.
COMMIT_WITHOUT_WAITING = "SET LOCAL synchronous_commit = off"

NEWEST_SNAPSHOT = "SELECT state FROM snapshot ORDER BY position DESC LIMIT 1"
MARKERS = "SELECT name, value FROM marker"
MARKER = "SELECT value FROM marker WHERE name = %s"
SET_MARKER = "UPDATE marker SET value = %s WHERE name = %s"
JOURNAL_PAGE = """
SELECT position, received_at, trade_date, kind, body FROM journal WHERE position > %s ORDER BY position LIMIT %s
"""
LAST_RECEIVED = "SELECT received_at FROM journal ORDER BY position DESC LIMIT 1"

KNOWN_REQUESTS = "SELECT request_id::text FROM journal WHERE request_id = ANY(%s::uuid[])"
CLOSED_ORDERS = """
SELECT DISTINCT ON (order_id) state FROM closed_order
WHERE order_id = ANY(%s::uuid[]) AND position <= %s
ORDER BY order_id, position DESC
"""
APPEND_JOURNAL = """
INSERT INTO journal (position, received_at, trade_date, kind, request_id, body)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::date[], %b::text[], %b::text[]::uuid[], %b::text[]::json[])
"""
PARK = """
INSERT INTO parked (received_at, message_id, entry, error)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[])
"""
# A replay after a crash may write a tail again: it is the same tail.
APPEND_REPORTS = """
INSERT INTO report (report_id, order_id, request_id, trade_date, exec_type, report_sequence, body)
SELECT * FROM unnest(
    %s::bigint[], %b::text[]::uuid[], %b::text[]::uuid[], %b::text[]::date[], %b::text[], %s::integer[],
    %b::text[]::json[]
)
ON CONFLICT DO NOTHING
"""
APPEND_CLOSED = """
INSERT INTO closed_order (order_id, position, state)
SELECT * FROM unnest(%b::text[]::uuid[], %s::bigint[], %b::text[]::json[])
ON CONFLICT DO NOTHING
"""
APPEND_REPEAT = """
INSERT INTO repeat (position, order_id, request_id, from_sequence) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
APPEND_TRADES = """
INSERT INTO trade (instrument_id, epoch, sequence, exchange_time, phase, price, quantity, recorded_at)
SELECT * FROM unnest(
    %b::text[], %s::integer[], %s::bigint[], %s::bigint[], %b::text[], %s::bigint[], %s::bigint[], %s::timestamptz[]
)
ON CONFLICT DO NOTHING
"""

SAVE_SNAPSHOT = "INSERT INTO snapshot (position, state) VALUES (%s, %s) ON CONFLICT DO NOTHING"
DELETE_OLD_SNAPSHOTS = "DELETE FROM snapshot WHERE position < %s"
DELETE_OWN_ENTRIES = "DELETE FROM journal WHERE request_id IS NULL AND position < %s"
RETENTION_END = """
SELECT max(position) FROM journal WHERE received_at < now() - make_interval(days => %s) AND position < %s
"""
# Orders that still live keep nothing here but their reports; they end with their session, long before.
DELETE_EXPIRED = (
    "DELETE FROM journal WHERE position <= %(position)s",
    "DELETE FROM report WHERE report_id < (%(position)s::bigint + 1) << 20",
    "DELETE FROM closed_order WHERE position <= %(position)s",
)
# What is deleted is noted, so that no answer hides that it was there.
FORGET_TRADES = """
WITH gone AS (
    DELETE FROM trade WHERE recorded_at < now() - make_interval(days => %s)
    RETURNING instrument_id, epoch, sequence, exchange_time
)
INSERT INTO forgotten_trade AS known (instrument_id, epoch, sequence, exchange_time)
SELECT instrument_id, epoch, max(sequence), max(exchange_time) FROM gone GROUP BY instrument_id, epoch
ON CONFLICT (instrument_id, epoch) DO UPDATE SET
    sequence = greatest(known.sequence, excluded.sequence),
    exchange_time = greatest(known.exchange_time, excluded.exchange_time)
"""
DELETE_PARKED = "DELETE FROM parked WHERE received_at < now() - make_interval(days => %s)"

UNSENT = """
SELECT position, body FROM (
    SELECT report_id >> 20 AS position, report_id, body::text AS body FROM report
    WHERE report_id >= (%(after)s::bigint + 1) << 20 AND report_id < (%(until)s::bigint + 1) << 20
    UNION ALL
    SELECT r.position, old.report_id, old.body::text FROM repeat r
    JOIN report old ON old.order_id = r.order_id AND old.report_id < r.position << 20
        AND (old.report_sequence >= r.from_sequence OR old.request_id = r.request_id)
    WHERE r.position > %(after)s AND r.position <= %(until)s
) due ORDER BY position, report_id
"""
DELETE_REPEATS = "DELETE FROM repeat WHERE position <= %s"
CLOSED_ORDER = "SELECT state FROM closed_order WHERE order_id = %s ORDER BY position DESC LIMIT 1"
REPORTS_OF = "SELECT body FROM report WHERE order_id = %s ORDER BY report_id"
EXECUTIONS = """
SELECT report_id, body FROM report
WHERE exec_type = 'TRADE' AND trade_date = %s AND report_id > %s ORDER BY report_id LIMIT %s
"""
# `settled` is a time: reports made after it may still be on their way. `received_at` never falls with the position.
NUMBERED = """
SELECT report_id, order_id::text, report_sequence, body ->> 'account', body ->> 'instrument_id' FROM report
WHERE report_id > %(after)s AND report_id >> 20 <= (
    SELECT max(position) FROM journal
    WHERE received_at = (SELECT max(received_at) FROM journal WHERE received_at <= %(settled)s)
)
ORDER BY report_id LIMIT %(limit)s
"""
PARKED_COUNT = "SELECT count(*) FROM parked"

TRADES_AFTER = """
SELECT epoch, sequence, exchange_time, phase, price, quantity FROM trade
WHERE instrument_id = %s AND epoch = %s AND sequence > %s ORDER BY sequence LIMIT %s
"""
TRADES_OF_MINUTE = """
SELECT epoch, sequence, exchange_time, phase, price, quantity FROM trade
WHERE instrument_id = %s AND exchange_time >= %s AND exchange_time < %s AND (epoch, sequence) > (%s, %s)
ORDER BY epoch, sequence LIMIT %s
"""
FORGOTTEN_AFTER = "SELECT 1 FROM forgotten_trade WHERE instrument_id = %s AND epoch = %s AND sequence > %s"
FORGOTTEN_MINUTE = "SELECT 1 FROM forgotten_trade WHERE instrument_id = %s AND exchange_time >= %s LIMIT 1"
