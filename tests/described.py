"""What a recording says of itself, as a test reads it and changes it by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sigtrace.store.folder import DESCRIPTION
from sigtrace.store.trust import description

if TYPE_CHECKING:
    from pathlib import Path


def described(session: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(description.text((session / DESCRIPTION).read_bytes()))
    return found


def describe(session: Path, said: object) -> None:
    (session / DESCRIPTION).write_bytes(description.parquet(json.dumps(said)))
