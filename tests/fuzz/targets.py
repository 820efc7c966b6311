"""Targets: what is asked of sigtrace for any bytes, as a log, as rows for the process tracker, or as damage.

A log is read as the plain parser reads it, however it is cut, and its account adds up. Rows, in whatever order, end no
process twice, and each answer can be told.
"""

from __future__ import annotations

import damaged_sessions
import lives
import logs

log = logs.log
scan = logs.scan
rows = lives.rows
session = damaged_sessions.session
