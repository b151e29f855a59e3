-- A statement's plan is made once and kept, perhaps while users have an order or two each: then any index that begins
-- with user_id looks as good as the primary key, and later a step would read all orders of its users. So the planner
-- gets statistics by which all orders could be one user's, from the next ANALYZE on and, in a new database, at once.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT c.oid::regclass AS name, n.nspname, c.relname,
               EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid) AS analyzed
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE i.inhparent = 'orders'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN user_id SET (n_distinct = 1)', part.name);
        IF NOT part.analyzed THEN
            PERFORM pg_restore_attribute_stats(
                'schemaname', part.nspname::text, 'relname', part.relname::text, 'attname', 'user_id',
                'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real);
        END IF;
    END LOOP;
END $$;
ALTER TABLE orders ALTER COLUMN user_id SET (n_distinct_inherited = 1);
