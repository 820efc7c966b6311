"""Managers: real servers and supervisors, which end their workers when they are told to end, or when they think fit."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.stage import Skip

if TYPE_CHECKING:
    from zoo.stage import Stage
    from zoo.truth import Process

_TERM = signal.SIGTERM

_WSGI = """
import os, time
open(f"worker {os.getpid()}", "w").close()
def app(environ, start):
    if environ["PATH_INFO"] == "/hang":
        open("hangs", "w").write(str(os.getpid()))
        time.sleep(100)
    start("200 OK", [])
    return [b"well"]
"""

_ASGI = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        open(f"worker {os.getpid()}", "w").close()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""


def _python(stage: Stage, tool: str, *arguments: str) -> Process:
    # A Python program of the development environment.
    path = Path(sys.executable).parent / tool
    if not path.exists():
        raise Skip(f"no {tool}")
    return stage.spawned(str(path), *arguments, comm=tool, watched=True)


def _workers(stage: Stage, number: int, name: str) -> list[Process]:
    def found() -> list[int]:
        return sorted(int(path.name.split()[1]) for path in stage.folder.glob("worker *"))

    stage.until(lambda: len(found()) == number, f"there are no {number} workers")
    return [stage.knows(pid, name) for pid in found()]


def _gunicorn(stage: Stage, *options: str) -> tuple[Process, list[Process]]:
    (stage.folder / "hello.py").write_text(_WSGI)
    bind = ["--bind", f"unix:{stage.folder}/socket", "--workers", "2", "--log-level", "error"]
    master = _python(stage, "gunicorn", *bind, "--worker-tmp-dir", str(stage.folder), *options, "hello:app")
    return master, _workers(stage, 2, "gunicorn")


def _tells(stage: Stage, process: Process, number: int = _TERM, comm: str = "deployer") -> Process:
    return stage.acts(lambda: os.kill(process.pid, number), comm)


def gunicorn_is_terminated(stage: Stage) -> None:
    master, workers = _gunicorn(stage)
    deployer = _tells(stage, master)
    stage.asked(master, _TERM, deployer)
    for worker in workers:
        stage.asked(worker, _TERM, master, via=[deployer], status=stage.status(worker))


def gunicorn_is_interrupted(stage: Stage) -> None:
    # INT means a quick end: the master tells its workers QUIT.
    master, workers = _gunicorn(stage)
    operator = _tells(stage, master, signal.SIGINT, "operator")
    stage.asked(master, signal.SIGINT, operator)
    for worker in workers:
        stage.asked(worker, signal.SIGQUIT, master, via=[operator], status=stage.status(worker))


def gunicorn_is_reloaded(stage: Stage) -> None:
    # HUP: new workers, and the old ones are told to end; the master lives on, and is told to end later.
    master, workers = _gunicorn(stage)
    reloader = _tells(stage, master, signal.SIGHUP, "reloader")
    _workers(stage, 4, "gunicorn")
    for worker in workers:
        stage.asked(worker, _TERM, master, via=[reloader], status=stage.status(worker))
    deployer = _tells(stage, master)
    stage.asked(master, _TERM, deployer)
    for worker in _workers(stage, 4, "gunicorn"):
        if worker not in workers:
            stage.asked(worker, _TERM, master, via=[deployer], status=stage.status(worker))


def gunicorn_loses_a_worker(stage: Stage) -> None:
    # A worker is killed from outside; the master starts another one, and is told to end later.
    master, workers = _gunicorn(stage)
    hunter = _tells(stage, workers[0], signal.SIGKILL, "hunter")
    _workers(stage, 3, "gunicorn")
    stage.killed(workers[0], signal.SIGKILL, hunter, status=stage.status(workers[0]))
    deployer = _tells(stage, master)
    stage.asked(master, _TERM, deployer)
    for worker in _workers(stage, 3, "gunicorn"):
        if worker != workers[0]:
            stage.asked(worker, _TERM, master, via=[deployer], status=stage.status(worker))


def gunicorn_ends_a_worker_that_hangs(stage: Stage) -> None:
    # It is busy for longer than the master is patient; nobody else is in it. ABRT interrupts the request, and it exits.
    # The master is as patient with those who begin or end, which takes its time on a busy machine.
    def act() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{stage.folder}/socket")
            client.send(b"GET /hang HTTP/1.0\r\n\r\n")
            client.recv(1000)

    master, workers = _gunicorn(stage, "--timeout", "8")
    stage.acts(act, "client")
    victim = next(worker for worker in workers if worker.pid == stage.noted("hangs"))
    _workers(stage, 3, "gunicorn")
    stage.asked(victim, signal.SIGABRT, master, status=stage.status(victim))
    deployer = _tells(stage, master)
    stage.asked(master, _TERM, deployer)
    for worker in _workers(stage, 3, "gunicorn"):
        if worker != victim:
            stage.asked(worker, _TERM, master, via=[deployer], status=stage.status(worker))


def _uvicorn(stage: Stage) -> Process:
    (stage.folder / "hello.py").write_text(_ASGI)
    server = _python(stage, "uvicorn", "--uds", f"{stage.folder}/socket", "--log-level", "error", "hello:app")
    _workers(stage, 1, "uvicorn")
    return server


def uvicorn_is_terminated(stage: Stage) -> None:
    # It shuts down, and then raises anew what it got.
    server = _uvicorn(stage)
    deployer = _tells(stage, server)
    stage.killed(server, _TERM, deployer).anew = True


def uvicorn_is_interrupted(stage: Stage) -> None:
    # INT it raises anew, too, but then Python's own handler gets it, and it exits.
    server = _uvicorn(stage)
    operator = _tells(stage, server, signal.SIGINT, "operator")
    stage.asked(server, signal.SIGINT, operator)


def _supervisord(stage: Stage, script: str, *more: str) -> tuple[Process, Process]:
    lines = [
        *("[supervisord]", "nodaemon=true", f"logfile={stage.folder}/log", f"pidfile={stage.folder}/pid"),
        *("[unix_http_server]", f"file={stage.folder}/socket"),
        *("[supervisorctl]", f"serverurl=unix://{stage.folder}/socket"),
        *(
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ),
        *("[program:service]", f"command={stage.script('service.sh', script)}", "startsecs=0", *more),
    ]
    (stage.folder / "supervisord.conf").write_text("\n".join(lines))
    manager = _python(stage, "supervisord", "-c", f"{stage.folder}/supervisord.conf")
    stage.until((stage.folder / "started").exists, "the service does not start")
    return manager, stage.knows(stage.noted("started"), "service.sh")


_SERVICE = "trap 'exit 3' TERM; echo $$ >starting; mv starting started; read _ <>never"
_STUBBORN = "trap '' TERM; echo $$ >starting; mv starting started; read _ <>never"


def supervisord_is_terminated(stage: Stage) -> None:
    manager, service = _supervisord(stage, _SERVICE)
    deployer = _tells(stage, manager)
    stage.asked(manager, _TERM, deployer)
    stage.asked(service, _TERM, manager, 3, via=[deployer], status=stage.status(service))


def supervisord_kills_a_stubborn_service(stage: Stage) -> None:
    # TERM, a second of patience, KILL; all of it because somebody told supervisord to end.
    manager, service = _supervisord(stage, _STUBBORN, "stopwaitsecs=1")
    deployer = _tells(stage, manager)
    stage.asked(manager, _TERM, deployer)
    stage.killed(service, signal.SIGKILL, manager, via=[deployer], status=stage.status(service))


def supervisorctl_stops_a_service(stage: Stage) -> None:
    # The manager is told by a socket, and no signal: it is the first that sends one.
    manager, service = _supervisord(stage, _SERVICE)
    stage.begins()
    stage.exited(_python(stage, "supervisorctl", "-c", f"{stage.folder}/supervisord.conf", "stop", "service"))
    stage.asked(service, _TERM, manager, 3, status=stage.status(service))
    deployer = _tells(stage, manager)
    stage.asked(manager, _TERM, deployer)
