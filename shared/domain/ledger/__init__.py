"""Double entry: the chart of accounts, entries, holds, and the books that everything is written into."""
