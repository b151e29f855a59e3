-- An incarnation is what one accepted start began: continuing as new keeps it, starting the instance again ends it.
-- A message without execution is for the incarnation that there was when it was sent, and goes with it.
-- depends: 0002.forget-replaced-executions 0004.add-entities

ALTER TABLE durable.instances ADD COLUMN incarnation uuid;
UPDATE durable.instances SET incarnation = execution_id;
ALTER TABLE durable.instances ALTER COLUMN incarnation SET NOT NULL;

ALTER TABLE durable.inbox ADD COLUMN incarnation uuid;
UPDATE durable.inbox SET incarnation = execution_id WHERE event->>'EventType' = '0';

CREATE OR REPLACE FUNCTION durable.forget_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM durable.history WHERE execution_id = OLD.execution_id;
    DELETE FROM durable.timers WHERE execution_id = OLD.execution_id;
    DELETE FROM durable.tasks WHERE execution_id = OLD.execution_id;
    -- NEW is null when the instance is deleted.
    DELETE FROM durable.inbox
    WHERE hub = OLD.hub AND instance_id = OLD.instance_id
      AND (execution_id = OLD.execution_id
           OR (incarnation = OLD.incarnation AND NEW.incarnation IS DISTINCT FROM OLD.incarnation));
    RETURN NULL;
END
$$;
