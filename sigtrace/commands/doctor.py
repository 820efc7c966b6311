"""Doctor: print what recording needs, and whether it is there."""

from __future__ import annotations

from sigtrace.capture.doctor import checks


def run() -> bool:
    """Print a line for each check, and return whether everything is there."""
    done = checks()
    for check in done:
        print(f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.detail}")
        if check.remedy:
            print(f"        {check.remedy}")
    return all(check.ok for check in done)
