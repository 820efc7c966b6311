"""Say who killed whom, with what, and how you know."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.errors import Error, LogError, ProbeError, SessionError
    from sigtrace.output import plot
    from sigtrace.questions.database import Database
    from sigtrace.questions.who import who
    from sigtrace.store.session import Session, read
    from sigtrace.trace.accounting import Accounting
    from sigtrace.trace.log import Log
    from sigtrace.trace.parser import Parser

__version__ = "0.1.0"

__all__ = [
    "Accounting",
    "Database",
    "Error",
    "Log",
    "LogError",
    "Parser",
    "ProbeError",
    "Session",
    "SessionError",
    "plot",
    "read",
    "who",
]

_HOME = {
    "errors": ["Error", "LogError", "ProbeError", "SessionError"],
    "output.notebook": ["Session", "read"],  # it knows how a notebook shows a session
    "output.plot": ["plot"],
    "questions.database": ["Database"],
    "questions.who": ["who"],
    "trace.accounting": ["Accounting"],
    "trace.log": ["Log"],
    "trace.parser": ["Parser"],
}


def __getattr__(name: str) -> object:
    # pyarrow takes longer to import than `sigtrace --help` may take.
    for path, names in _HOME.items():
        if name in names:
            module = import_module(f"sigtrace.{path}")
            return module if path.endswith(f".{name}") and name == "plot" else getattr(module, name)
    raise AttributeError(f"module 'sigtrace' has no attribute {name!r}")
