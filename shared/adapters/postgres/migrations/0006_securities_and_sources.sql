-- Securities are booked by security_id (ISIN, else the contract's id), holds belong to more than orders, an entry needs
-- no order, and an order's version moves only with what its client can see. Nothing had been released before this.

-- The instruments that could be traded until now.
CREATE TEMPORARY TABLE securities (instrument_id text PRIMARY KEY, security_id text NOT NULL) ON COMMIT DROP;
INSERT INTO securities VALUES
    ('NSE:ADANIPORTS', 'INE742F01042'), ('NSE:ASIANPAINT', 'INE021A01026'), ('NSE:AXISBANK', 'INE238A01034'),
    ('NSE:BAJAJ-AUTO', 'INE917I01010'), ('NSE:BAJAJFINSV', 'INE918I01026'), ('NSE:BAJFINANCE', 'INE296A01032'),
    ('NSE:BEL', 'INE263A01024'), ('NSE:BHARTIARTL', 'INE397D01024'), ('NSE:CIPLA', 'INE059A01026'),
    ('NSE:COALINDIA', 'INE522F01014'), ('NSE:EICHERMOT', 'INE066A01021'), ('NSE:HCLTECH', 'INE860A01027'),
    ('NSE:HDFCBANK', 'INE040A01034'), ('NSE:HINDALCO', 'INE038A01020'), ('NSE:HINDUNILVR', 'INE030A01027'),
    ('NSE:ICICIBANK', 'INE090A01021'), ('NSE:INFY', 'INE009A01021'), ('NSE:ITC', 'INE154A01025'),
    ('NSE:JSWSTEEL', 'INE019A01038'), ('NSE:KOTAKBANK', 'INE237A01036'), ('NSE:LT', 'INE018A01030'),
    ('NSE:M&M', 'INE101A01026'), ('NSE:MARUTI', 'INE585B01010'), ('NSE:MRF', 'INE883A01011'),
    ('NSE:NESTLEIND', 'INE239A01024'), ('NSE:NTPC', 'INE733E01010'), ('NSE:ONGC', 'INE213A01029'),
    ('NSE:POWERGRID', 'INE752E01010'), ('NSE:RELIANCE', 'INE002A01018'), ('NSE:SBIN', 'INE062A01020'),
    ('NSE:SHREECEM', 'INE070A01015'), ('NSE:SUNPHARMA', 'INE044A01036'), ('NSE:TATASTEEL', 'INE081A01020'),
    ('NSE:TCS', 'INE467B01029'), ('NSE:TECHM', 'INE669C01036'), ('NSE:TITAN', 'INE280A01028'),
    ('NSE:ULTRACEMCO', 'INE481G01011'), ('NSE:WIPRO', 'INE075A01022');

-- Orders and trades name their security; an order that named no known instrument has none.
ALTER TABLE orders ADD COLUMN security_id text, ADD COLUMN segment text NOT NULL DEFAULT '', ADD COLUMN revision integer;
UPDATE orders o SET
    revision = version,
    security_id = coalesce((SELECT s.security_id FROM securities s WHERE s.instrument_id = o.instrument_id),
                           o.instrument_id),
    segment = CASE WHEN EXISTS (SELECT FROM securities s WHERE s.instrument_id = o.instrument_id) THEN 'EQ' ELSE '' END;
ALTER TABLE orders ALTER COLUMN security_id SET NOT NULL, ALTER COLUMN revision SET NOT NULL,
    ALTER COLUMN segment DROP DEFAULT;
ALTER TABLE trades ADD COLUMN security_id text, ADD COLUMN product text;
UPDATE trades t SET product = 'CNC', security_id = (SELECT s.security_id FROM securities s
                                                    WHERE s.instrument_id = t.instrument_id);
ALTER TABLE trades ALTER COLUMN security_id SET NOT NULL, ALTER COLUMN product SET NOT NULL;

-- Positions by instrument and product.
ALTER TABLE positions ADD COLUMN product text, ADD COLUMN security_id text;
UPDATE positions p SET product = 'CNC', security_id = (SELECT s.security_id FROM securities s
                                                       WHERE s.instrument_id = p.instrument_id);
ALTER TABLE positions ALTER COLUMN product SET NOT NULL, ALTER COLUMN security_id SET NOT NULL,
    DROP CONSTRAINT positions_pkey, ADD PRIMARY KEY (user_id, instrument_id, product);

-- The ledger: assets are INR and security_ids; lines of the house alone have no user; an entry says what it comes from.
UPDATE accounts a SET asset = s.security_id FROM securities s WHERE s.instrument_id = a.asset;
UPDATE transfers t SET asset = s.security_id FROM securities s WHERE s.instrument_id = t.asset;
UPDATE ledger_checkpoint_balances b SET asset = s.security_id FROM securities s WHERE s.instrument_id = b.asset;
ALTER TABLE transfers ADD COLUMN source text;
UPDATE transfers SET source = CASE WHEN order_id IS NULL THEN 'OPENING' ELSE 'ORDER' END;
ALTER TABLE transfers ALTER COLUMN source SET NOT NULL,
    DROP CONSTRAINT transfers_pkey, ALTER COLUMN user_id DROP NOT NULL,
    ADD CONSTRAINT client_lines_have_a_user
        CHECK ((user_id IS NOT NULL) = (debit_account LIKE 'client.%' OR credit_account LIKE 'client.%')),
    ADD CONSTRAINT orders_have_their_own_source CHECK ((source = 'ORDER') = (order_id IS NOT NULL));
CREATE UNIQUE INDEX transfers_by_user ON transfers (user_id, transfer_no);
DROP INDEX transfers_once;
CREATE UNIQUE INDEX transfers_once
    ON transfers (user_id, entry_id, debit_account, credit_account, asset) NULLS NOT DISTINCT;

-- Holds of orders, and later of positions, pledges and withdrawals.
ALTER TABLE holds RENAME COLUMN order_id TO source_id;
ALTER TABLE holds ADD COLUMN source text NOT NULL DEFAULT 'ORDER';
ALTER TABLE holds ALTER COLUMN source DROP DEFAULT,
    DROP CONSTRAINT holds_pkey, ADD PRIMARY KEY (user_id, source, source_id, request_id);
UPDATE holds h SET asset = s.security_id FROM securities s WHERE s.instrument_id = h.asset;

-- The history is numbered by revision; the version, which clients see, moves only with what they can see.
ALTER TABLE order_events ADD COLUMN revision integer;
UPDATE order_events SET revision = version;
ALTER TABLE order_events ALTER COLUMN revision SET NOT NULL,
    DROP CONSTRAINT order_events_pkey, ADD PRIMARY KEY (user_id, order_id, revision);
UPDATE order_events SET detail = (detail::jsonb || jsonb_build_object(
    'message', 'The exchange refused to cancel: ' || (detail ->> 'reason')))::json
WHERE event = 'CancelRefused' AND detail::jsonb ->> 'message' IS NULL;
CREATE TEMPORARY TABLE seen ON COMMIT DROP AS
SELECT user_id, sequence, order_id, revision, visible,
       count(*) FILTER (WHERE visible) OVER (PARTITION BY user_id, order_id ORDER BY revision) AS version
FROM (SELECT user_id, sequence, order_id, revision,
             view IS DISTINCT FROM lag(view) OVER (PARTITION BY user_id, order_id ORDER BY revision) AS visible
      FROM (SELECT user_id, sequence, (payload ->> 'order_id')::uuid AS order_id,
                   (payload ->> 'version')::integer AS revision, payload::jsonb - 'version' - 'updated_at' AS view
            FROM effects WHERE kind = 'order') AS views) AS compared;
UPDATE order_events e SET version = seen.version
FROM seen WHERE seen.user_id = e.user_id AND seen.order_id = e.order_id AND seen.revision = e.revision;
UPDATE orders o SET version = newest.version, updated_at = newest.at
FROM (SELECT DISTINCT ON (user_id, order_id) user_id, order_id, version, at
      FROM order_events ORDER BY user_id, order_id, version DESC, revision) AS newest
WHERE newest.user_id = o.user_id AND newest.order_id = o.order_id;
UPDATE effects e SET payload = (e.payload::jsonb || jsonb_build_object('version', seen.version))::json
FROM seen WHERE seen.user_id = e.user_id AND seen.sequence = e.sequence AND seen.visible;
-- Sequence numbers have no gap, so what was published for nothing becomes an empty fact.
UPDATE effects e SET kind = 'balances', payload = json_build_object('user_id', e.user_id, 'balances', '[]'::json)
FROM seen WHERE seen.user_id = e.user_id AND seen.sequence = e.sequence AND NOT seen.visible;
