-- The exchange numbers each order's reports: what it has issued, and what of that has not arrived. Orders of before
-- start at 0: their first report, or the first comparison with the venue, has all of theirs sent again.

ALTER TABLE orders
    ADD COLUMN venue_sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN missing_reports text NOT NULL DEFAULT '';

-- How far the venue's reports have been compared with ours.
CREATE TABLE exchange_lanes (
    lane      text PRIMARY KEY,
    position  bigint NOT NULL,
    moved_at  timestamptz NOT NULL
);
