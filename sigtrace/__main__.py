"""`python -m sigtrace` is the command `sigtrace`."""

import sys

from sigtrace.cli import main
from sigtrace.commands.streams import end_cleanly

end_cleanly()
sys.exit(main())
