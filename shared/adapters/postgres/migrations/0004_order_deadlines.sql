-- By when the exchange, a recovery or operations must move an order, beside the orders: an order changes its deadline
-- at every step, and with an index over it each change would write an entry into every index of the order.
CREATE TABLE order_deadlines (
    deadline  timestamptz NOT NULL,
    user_id   uuid NOT NULL,
    order_id  uuid NOT NULL,
    PRIMARY KEY (deadline, user_id, order_id)
);
INSERT INTO order_deadlines (deadline, user_id, order_id)
SELECT deadline, user_id, order_id FROM orders
WHERE owner IN ('VENUE', 'RECOVERY', 'OPERATIONS') AND deadline IS NOT NULL;
DROP INDEX orders_by_deadline;
