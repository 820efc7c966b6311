"""Which rows are kept of a recording of some processes."""
