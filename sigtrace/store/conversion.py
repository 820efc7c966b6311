"""Conversion: raw logs become one Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.errors import SessionError
from sigtrace.store.disk.whole import streams
from sigtrace.store.part import Part
from sigtrace.trace.accounting import Accounting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sigtrace.trace.log import Log


def convert(logs: Iterable[Log], path: Path) -> Accounting:
    """Parse logs into one Parquet file, in bounded memory; return the account of all.

    The file appears whole or not at all. Raises `SessionError` where it cannot be written, and what the logs raise.
    """
    _refuse_streams(path)
    names = []
    account = Accounting()
    part = Part(path, kept=False)
    try:
        for log in logs:
            for rows in log.rows(unlocked=True):  # what encodes is imported, and at work, meanwhile
                part.write(rows)
            names.append(log.name)
            account += log.accounting
    except BaseException:
        part.abandon()
        raise
    part.close({**account.to_dict(), "logs": names})
    return account


def _refuse_streams(path: Path) -> None:
    remedy = "give a path in a folder that can be written and has room"
    try:
        if streams(path):
            raise SessionError(f"{path}: is a device or a pipe, and Parquet needs a file: {remedy}")
    except OSError as error:
        raise SessionError(f"{path}: {error.strerror}: {remedy}") from error
