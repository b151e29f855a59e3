-- A ledger line belongs to a day of the market's clock, which may be set: the day is written with the line, because no
-- later reading of the clock can say it. A clock that no calendar can hold is refused here, whoever sets it.
ALTER TABLE transfers ADD COLUMN market_date date NOT NULL DEFAULT ((now() AT TIME ZONE 'Asia/Kolkata')::date);
UPDATE transfers SET market_date = ((booked_at + coalesce((SELECT offset_us FROM market_clock), 0) * interval '1 microsecond')
                                    AT TIME ZONE 'Asia/Kolkata')::date;
ALTER TABLE market_clock ADD CHECK (abs(offset_us) <= 36525 * 86400000000);
