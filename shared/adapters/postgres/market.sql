-- The market's clock.

-- name: offset
SELECT offset_us FROM market_clock
