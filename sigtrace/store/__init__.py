"""Sessions on disk: Parquet parts, the journal of a recording, and how they are opened."""
