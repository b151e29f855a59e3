-- Nobody looks into these documents by statement: kept as they were written, not taken apart and sorted.
ALTER TABLE effects ALTER COLUMN payload TYPE json USING payload::json;
ALTER TABLE order_events ALTER COLUMN detail TYPE json USING detail::json;
-- Steps are read by saga alone.
DROP INDEX saga_steps_by_order;
