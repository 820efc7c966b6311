"""PostgreSQL: a real server, whose postmaster is told to end, or loses a backend, and ends all others."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.stage import Skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.stage import Stage
    from zoo.truth import Process

_PROGRAMS = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_directories": "'.'",
    "restart_after_crash": "off",
    "fsync": "off",
    "shared_buffers": "1MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


class _Server:
    """A server: its postmaster, and the processes that this has started."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._programs = _programs()
        data = stage.folder / "data"
        shutil.copytree(self._template(), data)
        stage.folder.chmod(0o777)
        for path in (data, *data.rglob("*")):
            shutil.chown(path, "postgres", "postgres")
        command = [f"{self._programs}/postgres", "-D", str(data)]
        options = [f"--{name.replace('_', '-')}={value.strip(chr(39))}" for name, value in _SETTINGS.items()]
        self.master = stage.spawned(*_as_postgres(), *command, *options, comm="postgres", watched=True)
        stage.until((data / "postmaster.pid").exists, "there is no postmaster")
        stage.until(lambda: "ready" in (data / "postmaster.pid").read_text(), "the server is not ready")

    @property
    def checkpointer(self) -> Process:
        """Return the one that the postmaster tells to end when all others have."""
        (found,) = [helper for helper in self.helpers() if b"checkpointer" in _command_line(helper)]
        return found

    def helpers(self) -> list[Process]:
        """Return the checkpointer, the writers, and whatever else there is."""
        path = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children")
        self._stage.until(lambda: len(path.read_text().split()) >= 4, "there are no helpers")
        return [self._stage.knows(int(pid), "postgres") for pid in path.read_text().split()]

    def client(self) -> tuple[Process, Process]:
        """Return a client whose query takes long, and the backend that answers it."""
        before = self.helpers()
        client = self.asks("SELECT pg_sleep(100)")
        self._stage.until(lambda: len(self.helpers()) > len(before), "there is no backend")
        (backend,) = [process for process in self.helpers() if process not in before]
        self._stage.until(lambda: b"SELECT" in _command_line(backend), "the backend has no query")
        return client, backend

    def asks(self, query: str) -> Process:
        """Return a client that writes the answer to a query into the file "answer"."""
        folder = self._stage.folder
        options = ["-X", "-q", "-A", "-t", "-h", str(folder / "data"), "-d", "postgres", "-o", str(folder / "answer")]
        return self._stage.spawned(*_as_postgres(), f"{self._programs}/psql", *options, "-c", query, comm="psql")

    def asks_to_end(self, process: Process, number: int, via: Sequence[Process] = ()) -> None:
        """Note that the postmaster asked a process to end: by two calls, of which the second one is to its group."""
        status = self._stage.status(process)
        code = os.WEXITSTATUS(status)
        self._stage.asked(process, number, self.master, code, via=via, status=status).group = None

    def _template(self) -> Path:
        # It takes as long to make as all the rest.
        template = self._stage.common("postgres")
        if not template.exists():
            mine = self._stage.common(f"postgres of {os.getpid()}")
            mine.mkdir()
            shutil.chown(mine, "postgres", "postgres")
            command = [*_as_postgres(), f"{self._programs}/initdb", "--no-sync", "-A", "trust", "-D", str(mine)]
            subprocess.run(command, check=True, capture_output=True, cwd="/")
            with contextlib.suppress(OSError):  # another scene was faster
                mine.rename(template)
        return template


def _programs() -> Path:
    found = sorted(_PROGRAMS.glob("*/bin/initdb"))
    try:
        pwd.getpwnam("postgres")
    except KeyError as error:
        raise Skip("no postgresql") from error
    if not found:
        raise Skip("no postgresql")
    return found[-1].parent


def _as_postgres() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _command_line(process: Process) -> bytes:
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


def _tells(stage: Stage, process: Process, number: int, comm: str = "deployer") -> Process:
    return stage.acts(lambda: os.kill(process.pid, number), comm)


def postgres_is_shut_down(stage: Stage) -> None:
    # INT means a fast end: TERM for all, and at last USR2 for the checkpointer.
    server = _Server(stage)
    helpers = server.helpers()
    checkpointer = server.checkpointer
    client, backend = server.client()
    operator = _tells(stage, server.master, signal.SIGINT, "operator")
    stage.asked(server.master, signal.SIGINT, operator)
    stage.exited(client, 2)
    server.asks_to_end(backend, signal.SIGTERM, via=[operator])
    for helper in helpers:
        number = signal.SIGUSR2 if helper == checkpointer else signal.SIGTERM
        server.asks_to_end(helper, number, via=[operator])


def postgres_is_shut_down_at_once(stage: Stage) -> None:
    # QUIT: the postmaster passes it on to all, and they exit with 2 on the spot.
    server = _Server(stage)
    helpers = server.helpers()
    client, backend = server.client()
    deployer = _tells(stage, server.master, signal.SIGQUIT)
    stage.asked(server.master, signal.SIGQUIT, deployer)
    stage.exited(client, 2)
    for process in (backend, *helpers):
        server.asks_to_end(process, signal.SIGQUIT, via=[deployer])


def postgres_loses_a_backend(stage: Stage) -> None:
    # One is killed, and the postmaster, to whom nobody sent anything, tells all others to quit, and exits.
    server = _Server(stage)
    helpers = server.helpers()
    client, backend = server.client()
    hunter = _tells(stage, backend, signal.SIGKILL, "hunter")
    stage.exited(server.master, 1).blind = "the news that its children tell it by USR1 look like an asking"
    stage.exited(client, 2)
    stage.killed(backend, signal.SIGKILL, hunter, status=stage.status(backend))
    for process in helpers:
        server.asks_to_end(process, signal.SIGQUIT)


def postgres_ends_a_session(stage: Stage) -> None:
    # pg_terminate_backend: one backend tells another one to end.
    server = _Server(stage)
    client, backend = server.client()
    stage.begins()
    stage.exited(server.asks(f"SELECT pg_terminate_backend({backend.pid}), pg_backend_pid()"))
    killer = stage.knows(int((stage.folder / "answer").read_text().split("|")[1]), "postgres")
    stage.exited(client, 2)
    death = stage.asked(backend, signal.SIGTERM, killer, 1, status=stage.status(backend))
    death.group = True  # kill(-pid): a backend leads a group of its own
    stage.exited(killer, status=stage.status(killer))
    operator = _tells(stage, server.master, signal.SIGINT, "operator")
    stage.asked(server.master, signal.SIGINT, operator)
