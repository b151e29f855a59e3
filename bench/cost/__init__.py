"""What an order costs the database, table by table."""
