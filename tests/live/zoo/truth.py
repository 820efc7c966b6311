"""Truth: what a scene knows of its processes, by waitpid and by having done it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Death:
    """How one process ended.

    `verdict` is `killed`, `asked`, `self`, `fault`, `oom`, `exited`, or `unknown` if the kernel's events cannot say;
    `signal` is the name of what ended it, or of what asked it to end; None if nobody asked. `killer_pid` and
    `killer_comm` are of the process that made the call. `hops` are all who sent the signal on, each a "name (pid)",
    from the first sender to the killer; `first_pid` and `first_comm` are of the first. For a death that another one's
    death brought about, `hops` leads from who ended that one to that one. They are empty if nobody sent anything.
    `anew` says that it handled the signal and raised it again on itself, `thread` which thread of the killer made
    the call, if that has a name of its own. `source` is of a signal that no call sent:
    `fault`, `oom`, `terminal`, `timer`, `parent` or `kernel`. `actor` is the first of the killer and its ancestors that
    is no shell and no tool like kill, pkill or timeout. `status` is what waitpid said, `exit_status` the exit code in
    it, 0 to 255; None if a signal ended it. `at` is when it was reaped, in seconds since 1970. `user`,
    `unit`, `container` and `pod` are whose it was and where it ran, `killer_user` and `killer_unit` the same of the
    killer; None if the scene does not care. `blind` is why no trace can tell who made it
    end: then only that it exited, and how, is known to the events.
    """

    pid: int
    comm: str
    verdict: str
    signal: str | None
    status: int
    at: float
    killer_pid: int | None = None
    killer_comm: str | None = None
    group: bool = False
    source: str | None = None
    actor: str | None = None
    exit_status: int | None = None
    first_pid: int | None = None
    first_comm: str | None = None
    hops: list[str] = field(default_factory=list)
    anew: bool = False
    thread: str | None = None
    user: str | None = None
    killer_user: str | None = None
    unit: str | None = None
    killer_unit: str | None = None
    container: str | None = None
    pod: str | None = None
    blind: str | None = None


@dataclass
class Truth:
    """What happened in a scene: its deaths, every pid that was in it, and when it began and ended.

    Whoever is in `pids` and not in `deaths` must not be reported as killed. `window` is within how many seconds before
    an exit a signal must have come to have asked for it, for this truth to hold; None for sigtrace's own. `skipped`
    says why this machine cannot show the scene, `broken` why the scene did not go as it should have.
    """

    scene: str
    deaths: list[Death] = field(default_factory=list)
    pids: dict[int, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    window: float | None = None
    skipped: str | None = None
    broken: str | None = None


def write(path: Path, truths: Sequence[Truth]) -> None:
    """Write truths to a file."""
    path.write_text(json.dumps([dataclasses.asdict(truth) for truth in truths], indent=1))


def read(path: Path) -> list[Truth]:
    """Read the truths that `write` wrote."""
    truths = []
    for truth in json.loads(path.read_text()):
        deaths = [Death(**death) for death in truth.pop("deaths")]
        pids = {int(pid): comm for pid, comm in truth.pop("pids").items()}
        truths.append(Truth(deaths=deaths, pids=pids, **truth))
    return truths
