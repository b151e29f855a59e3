-- Past decisions about orders in doubt are listed, and say whether the venue's records were consulted.
ALTER TABLE in_doubt
    ADD COLUMN venue_consulted boolean,
    ADD COLUMN venue_status    text;
COMMENT ON COLUMN in_doubt.venue_consulted IS 'false: the venue could not be reached; NULL: nobody decided';
COMMENT ON COLUMN in_doubt.venue_status IS 'how the venue had the order, NULL when it did not know it';
CREATE INDEX in_doubt_of_order ON in_doubt (order_id);
CREATE INDEX in_doubt_closed ON in_doubt (resolved_at DESC, order_id DESC) WHERE resolved_at IS NOT NULL;
