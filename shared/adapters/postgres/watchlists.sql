-- Watchlists. A slot from 1 to 10 is unique for a user, so nobody has more lists than that, whatever happens at once.

-- name: all
SELECT watchlist_id, name, instruments, version, created_at, updated_at FROM watchlists
WHERE user_id = %(user_id)s ORDER BY created_at, watchlist_id

-- name: get
SELECT watchlist_id, name, instruments, version, created_at, updated_at FROM watchlists
WHERE user_id = %(user_id)s AND watchlist_id = %(watchlist_id)s

-- name: create
INSERT INTO watchlists (user_id, watchlist_id, slot, name, instruments)
SELECT %(user_id)s, %(watchlist_id)s, free.slot, %(title)s, %(instruments)s
FROM generate_series(1, 10) AS free (slot)
WHERE NOT EXISTS (SELECT FROM watchlists w WHERE w.user_id = %(user_id)s AND w.slot = free.slot)
ORDER BY free.slot LIMIT 1
ON CONFLICT DO NOTHING
RETURNING watchlist_id, name, instruments, version, created_at, updated_at

-- name: replace
UPDATE watchlists SET name = %(title)s, instruments = %(instruments)s, version = version + 1, updated_at = now()
WHERE user_id = %(user_id)s AND watchlist_id = %(watchlist_id)s AND version = %(version)s
RETURNING watchlist_id, name, instruments, version, created_at, updated_at

-- name: delete
DELETE FROM watchlists
WHERE user_id = %(user_id)s AND watchlist_id = %(watchlist_id)s AND version = %(version)s
RETURNING watchlist_id, name, instruments, version, created_at, updated_at
