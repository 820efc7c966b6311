"""Truth: what a scene knows of its processes, by waitpid and by having done it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Death:
    """How one process ended.

    `verdict` is `killed`, `self`, `fault`, `oom` or `exited`; `signal` its name, None where it exited. `killer_pid` and
    `killer_comm` are of the process that made the call. `source` is of a signal that no call sent: `fault`, `oom`,
    `terminal`, `timer`, `parent` or `kernel`. `actor` is the first ancestor of the killer, itself included, that is no
    shell, kill, pkill, killall or timeout. `status` is what waitpid said, None where another process reaped it.
    `at` is when it was reaped, in seconds since 1970.
    """

    pid: int
    comm: str
    verdict: str
    signal: str | None = None
    killer_pid: int | None = None
    killer_comm: str | None = None
    group: bool = False
    source: str | None = None
    actor: str | None = None
    status: int | None = None
    at: float = 0.0


@dataclass
class Truth:
    """What happened in a scene: its deaths, every pid that was in it, and when it began and ended.

    Whoever is in `pids` and not in `deaths` must not be reported as killed. `skipped` says why this kernel cannot
    show the scene, `broken` why the scene did not go as it should have.
    """

    scene: str
    deaths: list[Death] = field(default_factory=list)
    pids: dict[int, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    skipped: str | None = None
    broken: str | None = None
