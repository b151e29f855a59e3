"""A stock exchange as its own process, speaking docs/reference/exchange-messages.md over Service Bus.

Requests are journaled in PostgreSQL before they are matched, reports carry ids computed from the journal, so
the venue can be killed at any instruction: it rebuilds its books from snapshot and journal and sends the reports
that had not been sent, with the same ExecIDs. Market makers quote every instrument around a moving reference price.

Run:

    python -m simulators.exchange --database postgresql://.../exchange \\
        --service-bus "Endpoint=sb://127.0.0.1:5672;...;UseDevelopmentEmulator=true;" \\
        --instruments instruments.csv [--sessions nse] [--admin-port 7090] [--no-makers] [--seed 7]

One line on stdout says that it is ready and where the admin API listens (see simulators/exchange/admin.py);
logs go to stderr. SIGTERM drains. While PostgreSQL or the bus is unavailable, it retries.

Parts: `book` (matching) and `venue` (orders, reports) are pure; `intake` judges what needs instruments, clock
or chance; `store` is the journal and archive; `gateway` groups input, `outbox` sends; `bus` is the SDK.
"""
