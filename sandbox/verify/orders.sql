-- One row an order, with everything that belongs to it, streamed in order of (user, order).

-- name: orders
SELECT o.user_id, o.order_id, o.instrument_id, o.side, o.order_type, o.product, o.time_in_force, o.quantity, o.price,
       o.limit_price, o.trade_date::text, o.accepted_at, o.updated_at, o.state, o.pending_request,
       o.pending_request_id, o.filled_quantity, o.notional, o.venue_quantity, o.final_quantity, o.final_state,
       o.charges, o.owner, o.deadline, o.in_doubt, o.saga_id, o.submitted_at, o.expire_at, o.answered_at,
       o.exchange_order_id, o.reject_code, o.status_message, o.client_order_id, o.disclosed_quantity, o.tag, o.version,
       (SELECT coalesce(json_agg(json_build_object('version', e.version, 'event', e.event, 'state', e.state,
                                                   'detail', e.detail, 'at', e.at) ORDER BY e.version), '[]')
        FROM order_events e WHERE e.user_id = o.user_id AND e.order_id = o.order_id) AS events,
       (SELECT coalesce(json_agg(json_build_object('account', h.account, 'asset', h.asset, 'amount', h.amount,
                                                   'captured', h.captured, 'released', h.released)), '[]')
        FROM holds h WHERE h.user_id = o.user_id AND h.order_id = o.order_id) AS holds,
       (SELECT coalesce(json_agg(json_build_object('venue', t.venue, 'trade_date', t.trade_date,
                                                   'exec_id', t.exec_id, 'quantity', t.quantity, 'price', t.price,
                                                   'charges', t.charges)), '[]')
        FROM trades t WHERE t.user_id = o.user_id AND t.order_id = o.order_id) AS trades,
       (SELECT coalesce(json_agg(json_build_array(f.entry_id, f.debit_account, f.credit_account, f.asset, f.amount)),
                        '[]')
        FROM transfers f WHERE f.user_id = o.user_id AND f.order_id = o.order_id) AS transfers
FROM orders o
ORDER BY o.user_id, o.order_id

-- name: strangers
-- What names an order that does not exist.
SELECT kind, user_id, order_id FROM (
    SELECT 'event' AS kind, user_id, order_id FROM order_events
    UNION SELECT 'hold', user_id, order_id FROM holds
    UNION SELECT 'trade', user_id, order_id FROM trades
    UNION SELECT 'transfer', user_id, order_id FROM transfers WHERE order_id IS NOT NULL
    UNION SELECT 'saga', user_id, order_id FROM saga_orders
    UNION SELECT 'saga step', user_id, order_id FROM saga_steps
    UNION SELECT 'queue', user_id, order_id FROM dispatch_queue
    UNION SELECT 'doubt', user_id, order_id FROM in_doubt
) AS named
WHERE NOT EXISTS (SELECT FROM orders o WHERE o.user_id = named.user_id AND o.order_id = named.order_id)
