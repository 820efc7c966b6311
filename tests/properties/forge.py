"""Forge: logs as the kernel would print them, with what happened, and damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).parent.with_name("fixtures")
LOGS = [path.read_bytes() for path in sorted(FIXTURES.glob("*.txt"))]

# What a name would say to be taken for something else.
_BAIT = (
    *(b") sent signal 9", b"PID 1 (", b"to PID 1, ret", b"signal 9", b"a", b"CPU:0 [LOST ", b"EVENTS]"),
    *(b"-1 [000] 1: a: ", b"-1 [000] 1: ", b"[001]", b"(-------)", b"<...>", b"0: ", b": ", b") ", b"-", b"#"),
    *(b"\n", b"\r", b"\t", b" ", b"\x1b[2J", b"\xff", b"\xe2\x80\xa8"),
)
comms = st.one_of(
    st.sampled_from([b"bash", b"systemd-journal", b"kworker/0:1-ev", b"Web Content", b"(sd-pam)"]),
    st.lists(st.sampled_from(_BAIT), max_size=6).map(lambda bait: b"".join(bait)[:15]),
    st.binary(max_size=15).map(lambda comm: comm.replace(b"\0", b"")),
)
_int32 = st.one_of(st.integers(-70, 70), st.integers(-(1 << 31), (1 << 31) - 1))
_pids = st.one_of(st.integers(1, 3), st.integers(1, 1 << 22))


def shown(comm: bytes) -> str:
    """Return a name as a session shows it."""
    return comm.decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Style:
    """The options that a log was recorded with."""

    tgid: bool
    flags: bool
    ticks: bool
    function: bytes
    fields: bool
    comments: bool


styles = st.builds(
    Style,
    tgid=st.booleans(),
    flags=st.booleans(),
    ticks=st.booleans(),
    function=st.sampled_from([b"bpf_trace_printk", b"0x00000001", b"0"]),
    fields=st.booleans(),
    comments=st.booleans(),
)


@dataclass(frozen=True)
class Header:
    """What stands before a message."""

    tid: int
    tgid: int | None  # None: forgotten
    comm: bytes
    forgotten: bool  # the name is `<...>`
    flags: bytes
    ts: int

    def text(self, cpu: int, style: Style) -> bytes:
        """Return it as the kernel prints it."""
        comm = b"<...>" if self.forgotten else self.comm
        line = b"%16s-%-7d " % (comm, self.tid)
        if style.tgid:
            line += b"(-------) " if self.tgid is None else b"(%7d) " % self.tgid
        line += b"[%03d] " % cpu
        if style.flags:
            line += self.flags
        if style.ticks:
            return line + b" %12d: " % self.ts
        return line + b" %5d.%06d: " % divmod(self.ts, 1_000_000)


_flags = st.sampled_from([b"d...", b"d...1", b"...21", b".N.21", b".....", b"dNh2.", b"D.Zff2"])
_times = st.one_of(st.integers(0, 10**7), st.integers(0, 9 * 10**17))


def _headers(tids: st.SearchStrategy[int], names: st.SearchStrategy[bytes]) -> st.SearchStrategy[Header]:
    return st.builds(
        Header,
        tid=tids,
        tgid=st.none() | _pids,
        comm=names,
        forgotten=st.sampled_from([False] * 7 + [True]),
        flags=_flags,
        ts=_times,
    )


@dataclass(frozen=True)
class Line:
    """A record of one CPU: half a call, or another program's."""

    header: Header
    text: bytes
    row: dict[str, Any]  # what it says; nothing where it is another program's
    call: int  # the same for the two lines of a call
    first: bool


@dataclass(frozen=True)
class Loss:
    """Where the kernel threw events away."""

    count: int | None


_EVENTS = (
    b"signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0",
    b"signal_generate: sig=15 errno=0 code=0 comm=bash pid=4787 grp=1 res=0",
)
_others = st.sampled_from(
    [
        *_EVENTS,
        b"sched_switch: prev_comm=bash prev_pid=4787 prev_prio=120 prev_state=S",
        b"tracing_mark_write: PID 4242 (bash) sent signal 9 ",
        b"tracing_mark_write: to PID 4243, ret = 0",
        b"bpf_trace_printk: hello",
        b"bpf_trace_printk: to PID of nobody",
        b"bpf_trace_printk: ",
        b"sys_read(fd: 0x15d6, buf: 0)",
        b"sys_exit_group -> 0x0",
    ]
)


def _other_lines(most: int) -> st.SearchStrategy[list[Line]]:
    line = st.builds(Line, _headers(_pids, comms), _others, st.just({}), st.just(-1), st.just(False))
    return st.lists(line, max_size=most)


@st.composite
def _stream(draw: st.DrawFn, style: Style) -> list[Line | Loss]:
    # What one CPU prints: calls with whatever between their lines, then holes where the buffer was full.
    function = style.function + b": " + (b"bpf_string=" if style.fields else b"")
    lines: list[Line | Loss] = []
    for call in range(draw(st.integers(0, 5))):
        lines += draw(_other_lines(2))
        tid, pid, comm = draw(_pids), draw(_pids), draw(comms)
        # A thread may rename itself between sys_enter, of which the message tells, and the header.
        headers = _headers(st.just(tid), st.just(comm) | comms)
        sig, target, ret = draw(_int32), draw(_int32), draw(_int32)
        header = draw(headers)
        says = {"tid": tid, "pid": pid, "comm": shown(comm), "sig": sig, "ts": header.ts}
        lines.append(Line(header, function + b"PID %d (%s) sent signal %d " % (pid, comm, sig), says, call, first=True))
        lines += draw(_other_lines(1))
        says = {"target": target, "ret": ret}
        text = function + b"to PID %d, ret = %d" % (target, ret)
        lines.append(Line(draw(headers), text, says, call, first=False))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(lines)))
        stop = draw(st.integers(start, min(start + 3, len(lines))))
        lines[start:stop] = [Loss(draw(st.none() | st.integers(1, 10**6)))]
    # A reader that came late, or left early.
    start = draw(st.sampled_from([0, 0, 1]))
    stop = len(lines) - draw(st.sampled_from([0, 0, 1]))
    return lines[start:stop]


class Forged:
    """A log, and the calls and losses that must come out of it: rows without their nulls."""

    def __init__(self, style: Style) -> None:
        self.log = b"# tracer: nop\n#\n" if style.comments else b""
        self.rows: list[dict[str, Any]] = []
        self.kinds = dict.fromkeys(("kill", "half", "lost", "other"), 0)
        self.lost_by_cpu: dict[int, int] = {}
        self.losses_of_unknown_size: dict[int, int] = {}
        self.ts_unit = "us"
        self._style = style
        self._pending: dict[int, tuple[Line, int]] = {}

    def __repr__(self) -> str:
        return f"{self.log!r}"

    def lose(self, cpu: int, count: int | None) -> None:
        """Lose events of a CPU."""
        self.end(cpu)
        self._row("lost", cpu, self.log.count(b"\n") + 1, lost=count)
        self.log += b"CPU:%d [LOST %sEVENTS]\n" % (cpu, b"" if count is None else b"%d " % count)
        self.kinds["lost"] += 1
        if count is None:
            self.losses_of_unknown_size[cpu] = self.losses_of_unknown_size.get(cpu, 0) + 1
        else:
            self.lost_by_cpu[cpu] = self.lost_by_cpu.get(cpu, 0) + count

    def print(self, cpu: int, line: Line) -> None:
        """Print a line of a CPU."""
        self.ts_unit = "ticks" if self._style.ticks else "us"
        self.log += line.header.text(cpu, self._style)
        at = self.log.count(b"\n") + 1
        self.log += line.text + b"\n"
        if not line.row:
            self.kinds["other"] += line.text not in _EVENTS
        elif line.first:
            self.end(cpu)
            self._pending[cpu] = (line, at)
        elif cpu in self._pending and self._pending[cpu][0].call == line.call:
            sent, at = self._pending.pop(cpu)
            self._row("kill", cpu, at, **sent.row, **line.row)
            self.kinds["kill"] += 2
        else:
            self.end(cpu)
            self._half(cpu, line, at)

    def end(self, cpu: int) -> None:
        """End what is pending on a CPU."""
        if cpu in self._pending:
            self._half(cpu, *self._pending.pop(cpu))

    def _half(self, cpu: int, line: Line, at: int) -> None:
        self.kinds["half"] += 1
        if line.first:
            self._row("kill_half", cpu, at, **line.row)
            return
        header = line.header
        # What the kernel forgot, and a thread that took its word for a name, look the same.
        name = b"<...>" if header.forgotten or b"\n" in header.comm else header.comm.lstrip(b" \t")
        comm = None if name == b"<...>" else shown(name)
        pid = header.tgid if self._style.tgid else None
        self._row("kill_half", cpu, at, **line.row, tid=header.tid, pid=pid, comm=comm, ts=header.ts)

    def _row(self, event: str, cpu: int, line: int, **known: object) -> None:
        row = {"event": event, "cpu": cpu, "line": line, **known}
        self.rows.append({column: value for column, value in row.items() if value is not None})


@st.composite
def forged(draw: st.DrawFn) -> Forged:
    """Draw a log, with what happened."""
    style = draw(styles)
    cpus = draw(st.lists(st.integers(0, 3) | st.integers(0, 8191), min_size=1, max_size=4, unique=True))
    streams = {cpu: draw(_stream(style)) for cpu in cpus}
    order = draw(st.permutations([cpu for cpu, stream in streams.items() for _ in stream]))
    left = {cpu: iter(stream) for cpu, stream in streams.items()}
    out = Forged(style)
    for cpu in order:
        line = next(left[cpu])
        if isinstance(line, Loss):
            out.lose(cpu, line.count)
        else:
            out.print(cpu, line)
    for cpu in cpus:
        out.end(cpu)
    return out


# Damaged logs

_SCRAP = (
    *(b"\n", b"\r\n", b"\0", b" ", b"\t", b"-", b":", b"[", b"]", b"(", b")", b"9" * 19, b"-1", b"#", b"\xff"),
    *(b"CPU:0 [LOST 5 EVENTS]\n", b"CPU:99999 [LOST EVENTS]\n", b"CPU:", b"  x-1 [000] 1: ", b" " * 17),
    *(b"PID 1 (x", b") sent signal 9 \n", b"to PID 1, ret = 0\n", b"<...>", b"\x1f\x8b", b"PAR1"),
    *(b"bpf_trace_printk: ", b"bpf_string=", b"0x00000001: ", b"sigtrace args uid=", b"sigtrace exec old="),
    *(
        b"sys_kill(pid: ",
        b"sys_tgkill(tgid: 1, pid: 0x7, sig: f)",
        b"sys_kill -> 0x0",
        b"sys_exit_group(error_code: 0x",
    ),
    *(b" pid=1 comm=", b" dst_path=", b"cgroup_mkdir: root=0 id=1 level=1 path=", b" uid=0 ", b" -> "),
)


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    """Draw a stretch of a real log or of a forged one."""
    if draw(st.sampled_from([True, True, False])):
        log = draw(st.sampled_from(LOGS))
        start = draw(st.integers(0, len(log) - 1))
        return log[start : start + draw(st.integers(0, 1500))]
    return draw(forged()).log


def _at(draw: st.DrawFn, log: bytearray) -> int:
    return draw(st.integers(0, len(log)))


def _delete(draw: st.DrawFn, log: bytearray) -> None:
    at = _at(draw, log)
    del log[at : at + draw(st.integers(1, 40))]


def _insert(draw: st.DrawFn, log: bytearray) -> None:
    at = _at(draw, log)
    log[at:at] = draw(st.sampled_from(_SCRAP) | st.binary(max_size=8))


def _overwrite(draw: st.DrawFn, log: bytearray) -> None:
    at = _at(draw, log)
    scrap = draw(st.sampled_from(_SCRAP) | st.binary(max_size=4))
    log[at : at + len(scrap)] = scrap


def _splice(draw: st.DrawFn, log: bytearray) -> None:
    at = _at(draw, log)
    log[at:at] = draw(pieces())[:400]


def _repeat(draw: st.DrawFn, log: bytearray) -> None:
    at = _at(draw, log)
    part = log[at : at + draw(st.integers(1, 60))]
    log[at:at] = part * draw(st.integers(1, 8))


def _lines(draw: st.DrawFn, log: bytearray) -> None:
    # Delete, double or move a line.
    lines = bytes(log).splitlines(keepends=True)
    if lines:
        line = lines.pop(draw(st.integers(0, len(lines) - 1)))
        for _ in range(draw(st.integers(0, 2))):
            lines.insert(draw(st.integers(0, len(lines))), line)
        log[:] = b"".join(lines)


_DAMAGE: tuple[Callable[[st.DrawFn, bytearray], None], ...] = (
    _delete, _insert, _overwrite, _splice, _repeat, _lines
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a log of which pieces are missing, doubled, moved, overwritten."""
    log = bytearray(draw(pieces()))
    for damage in draw(st.lists(st.sampled_from(_DAMAGE), max_size=6)):
        damage(draw, log)
    return bytes(log)


anything = st.one_of(damaged(), damaged(), damaged(), st.binary(max_size=300))


@st.composite
def cut(draw: st.DrawFn, logs: st.SearchStrategy[bytes]) -> tuple[bytes, list[int]]:
    """Draw a log and where it is cut into blocks."""
    log = draw(logs)
    if draw(st.sampled_from([True, False, False])):
        size = draw(st.sampled_from([1, 2, 7, 64, 4096]))
        return log, list(range(0, len(log), size))
    return log, draw(st.lists(st.integers(0, len(log)), max_size=12))


def count_lines(log: bytes) -> int:
    """Return how many lines a log has; the last may lack its newline."""
    return log.count(b"\n") + (not log.endswith(b"\n") and log != b"")
