"""Life-lines: processes as bars by parentage, and signals as arrows from sender to victim."""
