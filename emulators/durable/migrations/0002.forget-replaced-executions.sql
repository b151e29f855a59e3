-- What belongs to an execution goes with it: when an instance continues as new, is started again, or is purged.
-- depends: 0001.create-task-hub

CREATE FUNCTION durable.forget_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM durable.history WHERE execution_id = OLD.execution_id;
    DELETE FROM durable.timers WHERE execution_id = OLD.execution_id;
    DELETE FROM durable.tasks WHERE execution_id = OLD.execution_id;
    DELETE FROM durable.inbox
    WHERE hub = OLD.hub AND instance_id = OLD.instance_id AND execution_id = OLD.execution_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER forget_replaced_execution AFTER UPDATE OF execution_id ON durable.instances
    FOR EACH ROW WHEN (OLD.execution_id <> NEW.execution_id) EXECUTE FUNCTION durable.forget_execution();

CREATE TRIGGER forget_purged_execution AFTER DELETE ON durable.instances
    FOR EACH ROW EXECUTE FUNCTION durable.forget_execution();
