"""Main: run the command that a command line asks for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sigtrace.commands import streams
from sigtrace.commands.line.parser import joined, parser
from sigtrace.errors import Error

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed with one line on stderr. Wrong usage exits with 2."""
    streams.prepare()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except Error as error:
        from sigtrace.output.terminal import escaped

        streams.tell(f"sigtrace: {escaped(str(error))}")
        return error.code
    except BrokenPipeError:
        return 1  # the reader has seen enough, and is told nothing
    except OSError as error:
        # Of all else that fails, an Error says where.
        streams.tell(f"sigtrace: {error.filename or 'standard output'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # which DuckDB makes of all that a signal's handler raises
            raise
        return 128 + streams.ended_by()
    finally:
        streams.settle()


def _run(argv: Sequence[str]) -> int:
    try:
        arguments = parser().parse_args(joined(argv))
    except SystemExit:
        sys.stdout.flush()  # of --help and --version, which argparse prints
        raise
    code: int = arguments.command(arguments)
    sys.stdout.flush()
    return code
