"""Users: their names on this host, which the laptop that reads a session does not have."""

from __future__ import annotations

import pwd
from functools import lru_cache


@lru_cache(maxsize=4096)
def name(uid: int) -> str:
    """Name a user by its number; the number itself, in decimal, if this host knows no name for it.

    A negative number is what a 32-bit one above 2,147,483,647 looks like in the column `uid`.
    """
    number = uid & 0xFFFFFFFF
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OSError, OverflowError):
        return str(number)
