"""The command line."""

from sigtrace.commands.line.main import main
from sigtrace.commands.line.parser import parser

__all__ = ["main", "parser"]
