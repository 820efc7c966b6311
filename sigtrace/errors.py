"""The one base error, and its kinds."""


class Error(Exception):
    """Anything that sigtrace can say in a line: what, where, and what to do. The command exits with its `code`."""

    code = 1


class LogError(Error):
    """A log from which no answer can be had: nothing recognised, or a layout that cannot be stitched."""


class SessionError(Error):
    """A session or Parquet file that cannot be opened, or cannot be written."""


class ProbeError(Error):
    """Something that recording needs is missing: a right, bcc, BPF, tracefs, an event."""


class CommandError(ProbeError):
    """A command to record that cannot be run; its `code` is a shell's: 127 if it is not there, else 126."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code
