"""Renaming: a report's answer in which a process has another name, a hostile one."""

from __future__ import annotations

from typing import Any


def renamed(value: Any, old: str, new: str) -> Any:
    """Return an answer in which a process has another name."""
    if isinstance(value, dict):
        return {key: renamed(one, old, new) for key, one in value.items()}
    if isinstance(value, list):
        return [renamed(one, old, new) for one in value]
    # The ancestors hold names among other text.
    return value.replace(old, new) if isinstance(value, str) else value
