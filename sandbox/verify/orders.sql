-- One row an order, with everything that belongs to it, streamed in order of (user, order).

-- name: orders
SELECT {order_columns},
       (SELECT coalesce(json_agg(json_build_object('revision', e.revision, 'version', e.version, 'event', e.event,
                                                   'state', e.state, 'detail', e.detail, 'at', e.at)
                                ORDER BY e.revision), '[]')
        FROM order_events e WHERE e.user_id = o.user_id AND e.order_id = o.order_id) AS events,
       (SELECT coalesce(json_agg(json_build_object('account', h.account, 'asset', h.asset, 'amount', h.amount,
                                                   'captured', h.captured, 'released', h.released)), '[]')
        FROM holds h
        WHERE h.user_id = o.user_id AND h.source = 'ORDER' AND h.source_id = o.order_id) AS holds,
       coalesce(t.trades, '[]') AS trades,
       (SELECT coalesce(json_agg(json_build_array(f.entry_id, f.debit_account, f.credit_account, f.asset, f.amount)),
                        '[]')
        FROM transfers f WHERE f.user_id = o.user_id AND f.order_id = o.order_id) AS transfers
FROM orders o
LEFT JOIN (
    SELECT user_id, order_id,
           json_agg(json_build_object('venue', venue, 'trade_date', trade_date, 'exec_id', exec_id, 'quantity', quantity,
                                      'price', price, 'charges', charges)) AS trades
    FROM trades GROUP BY user_id, order_id
) AS t ON t.user_id = o.user_id AND t.order_id = o.order_id
ORDER BY o.user_id, o.order_id

-- name: unknown_orders
-- What names an order that does not exist.
SELECT kind, user_id, order_id FROM (
    SELECT 'event' AS kind, user_id, order_id FROM order_events
    UNION SELECT 'hold', user_id, source_id FROM holds WHERE source = 'ORDER'
    UNION SELECT 'trade', user_id, order_id FROM trades
    UNION SELECT 'transfer', user_id, order_id FROM transfers WHERE order_id IS NOT NULL
    UNION SELECT 'saga', user_id, order_id FROM saga_orders
    UNION SELECT 'saga step', m.user_id, s.order_id FROM order_steps s LEFT JOIN saga_orders m USING (saga_id, order_id)
    UNION SELECT 'answer', user_id, order_id FROM order_answers
    UNION SELECT 'queue', user_id, order_id FROM dispatch_queue
    UNION SELECT 'doubt', user_id, order_id FROM in_doubt
) AS named
WHERE NOT EXISTS (SELECT FROM orders o WHERE o.user_id = named.user_id AND o.order_id = named.order_id)
