"""`python -m sigtrace` is the command `sigtrace`."""

import sys

from sigtrace.cli import main

sys.exit(main())
