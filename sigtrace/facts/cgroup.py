"""Control groups: the systemd unit that the path of one names."""

from __future__ import annotations

import re
from functools import lru_cache

_UNIT = re.compile(r"\.(?:service|scope|socket|mount|swap)$")


@lru_cache(maxsize=4096)
def unit(path: str | None) -> str | None:
    """Return the innermost systemd unit in the path of a control group, None if it names none."""
    units = [part for part in (path or "").split("/") if _UNIT.search(part)]
    return units[-1] if units else None


def is_of_unit(path: str | None, name: str) -> bool:
    """Tell whether a control group is of a unit, whose name may lack its last part: `nginx` is `nginx.service`."""
    known = unit(path)
    return known is not None and name in {known, known.rsplit(".", 1)[0]}
