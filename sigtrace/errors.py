"""The one base error, and its kinds."""


class Error(Exception):
    """Anything that sigtrace can say in a line: what, where, and what to do."""


class LogError(Error):
    """A log from which no answer can be had: nothing recognised, or a layout that cannot be stitched."""


class SessionError(Error):
    """A session or Parquet file that cannot be opened, or cannot be written."""


class ProbeError(Error):
    """Something that recording needs is missing: a right, bcc, BPF, tracefs, an event."""
