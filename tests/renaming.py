"""Renaming: a report's answer in which a process has another name, a hostile one."""

from __future__ import annotations

from typing import Any

from sigtrace.output.terminal import escaped


def renamed(value: Any, old: str, new: str, key: str = "") -> Any:
    """Return an answer in which a process has another name."""
    if isinstance(value, dict):
        return {key: renamed(one, old, new, key) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, old, new, key) for one in value]
    # A sentence and the ancestors hold names among other text.
    return value.replace(old, escaped(new) if key == "sentence" else new) if isinstance(value, str) else value
