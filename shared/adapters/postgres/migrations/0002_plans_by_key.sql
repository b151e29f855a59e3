-- A statement's plan is made once and kept, perhaps while users have an order or two each: then any index that begins
-- with user_id looks as good as the primary key, and later a step would read all orders of its users. So the planner
-- is told that a user has many.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'orders'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN user_id SET (n_distinct = 10)', part);
    END LOOP;
END $$;
ALTER TABLE orders ALTER COLUMN user_id SET (n_distinct_inherited = 10);
