"""What the tests tell stories with: lines of a log, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sigtrace

if TYPE_CHECKING:
    import pyarrow as pa

Answer = dict[str, Any]


def line(event: str, *, of: int = 100, comm: str = "worker", ts: float = 1.0, cpu: int = 0) -> str:
    return f"{comm:>16}-{of:<7} ({of:7}) [{cpu:03}] d..1. {ts:12.6f}: {event}\n"


def fork(child: int, *, parent: int = 1, comm: str = "boss", **where: Any) -> str:
    forked = f"sched_process_fork: comm={comm} pid={parent} child_comm={comm} child_pid={child}"
    return line(forked, of=parent, comm=comm, **where)


def execute(pid: int, filename: str, **where: Any) -> str:
    return line(f"sched_process_exec: filename={filename} pid={pid} old_pid={pid}", of=pid, **where)


def arguments(pid: int, command: str) -> str:
    return line(f"bpf_trace_printk: sigtrace args uid=0 cgroup=70 {command}", of=pid)


def leave(pid: int, *, comm: str = "worker", **where: Any) -> str:
    return line(f"sched_process_exit: comm={comm} pid={pid} prio=120 group_dead=true", of=pid, comm=comm, **where)


def hit(pid: int, sig: int, *, code: int = 0, res: int = 0, by: int = 50, name: str = "killer", **where: Any) -> str:
    generated = f"signal_generate: sig={sig} errno=0 code={code} comm=worker pid={pid} grp=1 res={res}"
    return line(generated, of=by, comm=name, **where)


def call(target: int, sig: int, *, by: int = 50, name: str = "killer", ret: int = 0, **where: Any) -> str:
    sent = line(f"bpf_trace_printk: PID {by} ({name}) sent signal {sig} ", of=by, comm=name, **where)
    return sent + line(f"bpf_trace_printk: to PID {target}, ret = {ret}", of=by, comm=name, **where)


def take(pid: int, sig: int, handler: str = "0", **where: Any) -> str:
    return line(f"signal_deliver: sig={sig} errno=0 code=0 sa_handler={handler} sa_flags=0", of=pid, **where)


def kill(pid: int, sig: int = 15, **where: Any) -> str:
    """Return all the lines of a kill that ended a process."""
    by = {key: where.pop(key) for key in ("by", "name") if key in where}
    return hit(pid, sig, **by, **where) + call(pid, sig, **by, **where) + take(pid, 9, **where) + leave(pid, **where)


def witness(**where: Any) -> str:
    """Return lines of a signal that ended nobody: a log that has them would show others, too."""
    return hit(9001, 10, by=9000, name="friend", **where) + take(9001, 10, "55b94a72ee40", **where)


def lost(cpu: int = 0, events: int | None = 4) -> str:
    return f"CPU:{cpu} [LOST {events} EVENTS]\n" if events is not None else f"CPU:{cpu} [LOST EVENTS]\n"


def events(log: str) -> pa.Table:
    return sigtrace.read(log.encode()).table
