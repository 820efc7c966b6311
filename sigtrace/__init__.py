"""Say who killed whom, with what, and how you know."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.accounting import Accounting
    from sigtrace.errors import Error, LogError, ProbeError, SessionError
    from sigtrace.log import Log
    from sigtrace.parse import Parser
    from sigtrace.session import Session, read

__version__ = "0.1.0"

__all__ = [
    "Accounting",
    "Error",
    "Log",
    "LogError",
    "Parser",
    "ProbeError",
    "Session",
    "SessionError",
    "read",
]

_HOME = {
    "accounting": ["Accounting"],
    "errors": ["Error", "LogError", "ProbeError", "SessionError"],
    "log": ["Log"],
    "parse": ["Parser"],
    "session": ["Session", "read"],
}


def __getattr__(name: str) -> object:
    # pyarrow takes longer to import than `sigtrace --help` may take.
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"sigtrace.{module}"), name)
    raise AttributeError(f"module 'sigtrace' has no attribute {name!r}")
