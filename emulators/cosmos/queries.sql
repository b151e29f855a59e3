-- name: load_databases
SELECT id, name, etag, changed_at, throughput FROM database ORDER BY id

-- name: load_containers
SELECT id, database_id, name, properties, ranges, throughput, etag, changed_at FROM container ORDER BY id

-- name: create_database
INSERT INTO database (name, etag, changed_at, throughput) VALUES (%s, %s, %s, %s) RETURNING id

-- name: drop_database
DELETE FROM database WHERE id = %s

-- name: create_container
WITH made AS (
    INSERT INTO container (database_id, name, properties, ranges, throughput, etag, changed_at)
    VALUES (%(database_id)s, %(name)s, %(properties)s, %(ranges)s, %(throughput)s, %(etag)s, %(changed_at)s)
    RETURNING id
), counted AS (
    INSERT INTO key_range (container_id, number) SELECT id, generate_series(0, %(ranges)s - 1) FROM made
)
SELECT id FROM made

-- name: replace_container
UPDATE container SET properties = %(properties)s, etag = %(etag)s, changed_at = %(changed_at)s WHERE id = %(id)s

-- name: set_database_throughput
UPDATE database SET throughput = %s WHERE id = %s

-- name: set_container_throughput
UPDATE container SET throughput = %s WHERE id = %s

-- name: drop_containers
WITH values AS (DELETE FROM unique_value WHERE container_id = ANY(%(ids)s)),
     items AS (DELETE FROM item WHERE container_id = ANY(%(ids)s)),
     counters AS (DELETE FROM key_range WHERE container_id = ANY(%(ids)s))
DELETE FROM container WHERE id = ANY(%(ids)s)

-- name: lock_ranges
SELECT number FROM key_range WHERE container_id = ANY(%(ids)s) ORDER BY container_id, number FOR UPDATE

-- name: read_item
SELECT counter.lsn, item.body, item.etag
FROM key_range AS counter
LEFT JOIN item ON item.container_id = counter.container_id AND item.place = %(place)s AND item.id = %(id)s
              AND (%(ttl_s)s::integer IS NOT NULL
                   AND item.written_at + nullif(coalesce(item.ttl_s, %(ttl_s)s), -1) <= %(now)s) IS NOT TRUE
WHERE counter.container_id = %(container_id)s AND counter.number = %(range)s

-- name: take_numbers
UPDATE key_range SET lsn = lsn + %(count)s WHERE container_id = %(container_id)s AND number = %(range)s RETURNING lsn

-- name: load_items
SELECT id, number, written_at, ttl_s, etag, unique_keys, body FROM item
WHERE container_id = %(container_id)s AND place = %(place)s AND id = ANY(%(ids)s)

-- name: load_unique_values
SELECT taken.digest, item.id, item.written_at, item.ttl_s FROM unique_value AS taken
JOIN item USING (container_id, place, id)
WHERE taken.container_id = %(container_id)s AND taken.place = %(place)s AND taken.digest = ANY(%(digests)s)

-- name: put_item
INSERT INTO item (container_id, place, id, range_number, number, lsn, written_at, ttl_s, etag, unique_keys, body)
VALUES (%(container_id)s, %(place)s, %(id)s, %(range)s, %(number)s, %(lsn)s, %(written_at)s, %(ttl_s)s, %(etag)s,
        %(unique_keys)s, %(body)b)
ON CONFLICT (container_id, place, id) DO UPDATE
SET number = excluded.number, lsn = excluded.lsn, written_at = excluded.written_at, ttl_s = excluded.ttl_s,
    etag = excluded.etag, unique_keys = excluded.unique_keys, body = excluded.body

-- name: delete_item
DELETE FROM item WHERE container_id = %(container_id)s AND place = %(place)s AND id = %(id)s

-- name: put_unique_values
INSERT INTO unique_value (container_id, place, digest, id)
SELECT %(container_id)s, %(place)s, digest, %(id)s FROM unnest(%(digests)s::bytea[]) AS given (digest)
ON CONFLICT (container_id, place, digest) DO UPDATE SET id = excluded.id

-- name: delete_unique_values
DELETE FROM unique_value
WHERE container_id = %(container_id)s AND place = %(place)s AND id = %(id)s AND digest = ANY(%(digests)s)

-- name: delete_partition
WITH values AS (DELETE FROM unique_value WHERE container_id = %(container_id)s AND place = %(place)s)
DELETE FROM item WHERE container_id = %(container_id)s AND place = %(place)s

-- name: scan
SELECT place, number, body, found
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY place, number) - octet_length(body) AS before,
           count(*) OVER () AS found
    FROM (
        SELECT place, number, body FROM item
        WHERE container_id = %(container_id)s AND place >= %(low)s AND place < %(high)s
          AND (place, number) > (%(after_place)s, %(after_number)s)
          AND (%(ttl_s)s::integer IS NOT NULL
               AND written_at + nullif(coalesce(ttl_s, %(ttl_s)s), -1) <= %(now)s) IS NOT TRUE
        ORDER BY place, number LIMIT %(most)s
    ) AS following
) AS sized
WHERE before < %(bytes)s ORDER BY place, number

-- name: scan_ids
SELECT place, number, body, found
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY place, number) - octet_length(body) AS before,
           count(*) OVER () AS found
    FROM (
        SELECT place, number, body FROM item
        WHERE container_id = %(container_id)s AND place = %(place)s AND id BETWEEN %(first_id)s AND %(last_id)s
          AND (place, number) > (%(after_place)s, %(after_number)s)
          AND (%(ttl_s)s::integer IS NOT NULL
               AND written_at + nullif(coalesce(ttl_s, %(ttl_s)s), -1) <= %(now)s) IS NOT TRUE
        ORDER BY place, number LIMIT %(most)s
    ) AS following
) AS sized
WHERE before < %(bytes)s ORDER BY place, number

-- name: read_points
SELECT place, number, body, found
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY place, number) - octet_length(body) AS before,
           count(*) OVER () AS found
    FROM (
        SELECT place, number, body
        FROM item JOIN unnest(%(places)s::bytea[], %(ids)s::text[]) AS wanted (place, id) USING (place, id)
        WHERE container_id = %(container_id)s AND (place, number) > (%(after_place)s, %(after_number)s)
          AND (%(ttl_s)s::integer IS NOT NULL
               AND written_at + nullif(coalesce(ttl_s, %(ttl_s)s), -1) <= %(now)s) IS NOT TRUE
        ORDER BY place, number LIMIT %(most)s
    ) AS following
) AS sized
WHERE before < %(bytes)s ORDER BY place, number

-- name: read_changes
SELECT counter.lsn, changed.lsn, changed.body, changed.found
FROM key_range AS counter
LEFT JOIN LATERAL (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY lsn) - octet_length(body) AS before, count(*) OVER () AS found
    FROM (
        SELECT lsn, body FROM item
        WHERE container_id = counter.container_id AND range_number = counter.number AND lsn > %(after)s
          AND place >= %(low)s AND place < %(high)s AND written_at >= %(since)s
          AND (%(ttl_s)s::integer IS NOT NULL
               AND written_at + nullif(coalesce(ttl_s, %(ttl_s)s), -1) <= %(now)s) IS NOT TRUE
        ORDER BY lsn LIMIT %(most)s
    ) AS following
) AS changed ON before < %(bytes)s
WHERE counter.container_id = %(container_id)s AND counter.number = %(range)s
ORDER BY changed.lsn

-- name: read_counters
SELECT number, lsn FROM key_range WHERE container_id = %(container_id)s ORDER BY number

-- name: purge_own_end
WITH ended AS (
    DELETE FROM item WHERE (container_id, place, id) IN (
        SELECT container_id, place, id FROM item
        WHERE container_id = %(container_id)s AND ttl_s > 0 AND written_at + ttl_s <= %(now)s LIMIT 1000
    ) AND ttl_s > 0 AND written_at + ttl_s <= %(now)s
    RETURNING container_id, place, id
), freed AS (
    DELETE FROM unique_value USING ended
    WHERE unique_value.container_id = ended.container_id AND unique_value.place = ended.place
      AND unique_value.id = ended.id
)
SELECT count(*) FROM ended

-- name: purge_by_age
WITH ended AS (
    DELETE FROM item WHERE (container_id, place, id) IN (
        SELECT container_id, place, id FROM item
        WHERE container_id = %(container_id)s AND ttl_s IS NULL AND written_at <= %(now)s - %(ttl_s)s LIMIT 1000
    ) AND ttl_s IS NULL AND written_at <= %(now)s - %(ttl_s)s
    RETURNING container_id, place, id
), freed AS (
    DELETE FROM unique_value USING ended
    WHERE unique_value.container_id = ended.container_id AND unique_value.place = ended.place
      AND unique_value.id = ended.id
)
SELECT count(*) FROM ended
