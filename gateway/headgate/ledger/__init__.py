"""Money: usage, prices, the append-only record of every call, reports."""
