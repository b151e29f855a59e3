"""Orders as use cases: placed, cancelled, read; the steps of their saga; what the exchange reports of them."""
