"""Notify: what a service tells systemd of itself (sd_notify(3)): that it is ready, alive, or about to end."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

_SECONDS = 1.0


class Notifier:
    """Tells systemd, if that has started this process as a service of Type=notify."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._told = 0.0

    def ready(self) -> None:
        """Say that it records."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Say that it goes on, no more than once a second."""
        now = time.monotonic()
        if now - self._told >= _SECONDS:
            self._told = now
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that it ends."""
        self._tell("STOPPING=1")

    def _tell(self, what: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is an abstract one: unix(7).
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told, suppress(OSError):
            told.sendto(what.encode(), address)
