"""Report: all that sessions answer, in one object.

`python -m sigtrace.report SESSION...` is `sigtrace report SESSION...`.
"""

import sys

from sigtrace.output.summary import summary

__all__ = ["summary"]

if __name__ == "__main__":
    from sigtrace.commands.line import main

    sys.exit(main(["report", *sys.argv[1:]]))
