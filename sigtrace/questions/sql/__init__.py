"""SQL: what a query may do."""
