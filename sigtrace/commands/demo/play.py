"""Demo: a small scene, recorded as it plays and explained; where that cannot be, a stored log of one."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from sigtrace.commands.streams import tell
from sigtrace.errors import ProbeError
from sigtrace.output.summary import summary
from sigtrace.output.terminal import escaped
from sigtrace.output.text import write_text
from sigtrace.store.session import read

STORED = Path(__file__).with_name("stored.txt")
"""A real log of such a scene."""

# A worker, and a reaper that asks it to end, waits, and kills it. Only processes that the scene starts are signalled.
_SCENE = """
sh -c 'printf worker > /proc/$$/comm; trap "" TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done' &
worker=$!
sleep 0.2
sh -c 'printf reaper > /proc/$$/comm; kill -0 '$worker'; kill -TERM '$worker'; sleep 0.3; kill -KILL '$worker
wait $worker 2>/dev/null
true
"""


def demo() -> None:
    """Record the scene and print what its session says; without the rights for that, say so and show a stored log."""
    path = Path(tempfile.gettempdir()) / f"sigtrace-demo-{secrets.token_hex(4)}" / "demo.parquet"
    try:
        from sigtrace.commands.record import record

        record(path, ["sh", "-c", _SCENE])
    except ProbeError as error:
        tell(f"Recording is not possible here: {escaped(str(error))}")
        tell(f"This is a stored log: {escaped(str(STORED))}")
        path = STORED
    session = read(path)
    write_text(summary(session))
