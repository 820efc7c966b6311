"""Forge: what the kernel's own lines and the second program tell, with what happened."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from forge import comms, shown
from hypothesis import strategies as st

# What a path or an argument would say to be taken for something else.
_BAIT = (
    *(b" pid=", b" comm=", b" pid=1 comm=", b" pid=1 comm=x", b" dst_path=", b"/", b"/x", b"7", b"a", b" ", b"  "),
    *(b" uid=0", b" cgroup=1", b" old=1", b" total-vm=1kB", b"sigtrace exec old=1 ", b"CPU:0 [LOST EVENTS]"),
    *(b"\t", b"\x1b[2J", b"\xff", b"\xc3\xa9", b"x-1 [000] 1: sys_exit(error_code: 1)"),
)
_texts = st.one_of(
    st.lists(st.sampled_from(_BAIT), max_size=6).map(b"".join),
    st.binary(max_size=40).map(lambda text: re.sub(rb"[\0\n\r]", b"?", text)),
)
_names = comms.map(lambda comm: comm.replace(b"\n", b"?").replace(b"\r", b"?").rstrip(b" \t"))
_int32 = st.one_of(st.integers(-70, 70), st.integers(-(1 << 31), (1 << 31) - 1))
_ids = st.one_of(st.integers(1, 9), st.integers(1, 10**17))


def _hexadecimal(draw: st.DrawFn, number: int, bits: int = 64) -> bytes:
    # As newer kernels print it, and as older ones do.
    unsigned = number & ((1 << bits) - 1)
    if draw(st.booleans()):
        return b"%d" % unsigned if unsigned < 10 else b"0x%x" % unsigned
    return b"%x" % unsigned


@st.composite
def lines(draw: st.DrawFn) -> tuple[bytes, dict[str, Any] | None]:
    """Draw an event of one line, and the row that it makes; None if it can be read in two ways."""
    path, name, number = draw(_texts), draw(_names), draw(_int32)
    cgroup = draw(_ids)
    kind = draw(st.sampled_from(["status", "args", "exec", "mkdir", "attach"]))
    if kind == "status":
        call, event = draw(st.sampled_from([(b"exit_group", "sys_enter_exit_group"), (b"exit", "sys_enter_exit")]))
        text = b"sys_%s(error_code: %s)" % (call, _hexadecimal(draw, number))
        return text, {"event": event, "status": number & 255}
    if kind == "args":
        row = {"event": "args", "uid": number, "cgroup_id": cgroup, "command": shown(path) or None}
        return b"bpf_trace_printk: sigtrace args uid=%d cgroup=%d %s" % (number, cgroup, path), row
    if kind == "exec":
        row = {"event": "exec", "target": number, "filename": shown(path)}
        return b"bpf_trace_printk: sigtrace exec old=%d %s" % (number, path), row
    if kind == "mkdir":
        row = {"event": "cgroup_mkdir", "cgroup": shown(path), "cgroup_id": cgroup}
        return b"cgroup_mkdir: root=0 id=%d level=1 path=%s" % (cgroup, path), row
    text = b"cgroup_attach_task: dst_root=0 dst_id=%d dst_level=1 dst_path=%s pid=%d comm=%s" % (
        *(cgroup, path, number, name),
    )
    ways = re.findall(rb"(?= pid=(-?\d+) comm=(?=.{0,15}$))", text, re.DOTALL)
    row = {"event": "cgroup_attach_task", "target": number, "target_comm": shown(name), "cgroup": shown(path)}
    row["cgroup_id"] = cgroup
    return text, row if sum(-(1 << 31) <= int(pid) < 1 << 31 for pid in ways) == 1 else None


@dataclass(frozen=True)
class _Call:
    # Its numbers say which of its lines belong together.
    number: int
    tid: int
    told: str  # K: the kernel's two lines, P: the program's, and in which order
    name: bytes
    cpus: tuple[int, int, int]

    def units(self, draw: st.DrawFn) -> list[tuple[int, list[bytes]]]:
        # What is printed at once, with its CPU.
        sig, target, ret = self.number, -self.number - 1000, -self.number
        first = b"tgid: 0x1, " if self.name == b"tgkill" else b""
        first += b"pid: %s, sig: %s" % (_hexadecimal(draw, target), _hexadecimal(draw, sig))
        entered = (self.cpus[0], [b"sys_%s(%s)" % (self.name, first)])
        returned = (self.cpus[1], [b"sys_%s -> 0x%x" % (self.name, ret & ((1 << 64) - 1))])
        program = [b"PID 4321 (x) sent signal %d " % sig, b"to PID %d, ret = %d" % (target, ret)]
        said = (self.cpus[2], [b"bpf_trace_printk: " + line for line in program])
        return {
            "K": [entered, returned],
            "P": [said],
            "KPK": [entered, said, returned],
            "KKP": [entered, returned, said],
        }[self.told]


@dataclass
class Told:
    """A log of calls, which of its calls no loss touched, and how many lines repeat others."""

    log: bytes = b""
    calls: list[_Call] = field(default_factory=list)
    losses: int = 0


@st.composite
def told(draw: st.DrawFn, *, lossy: bool) -> Told:
    """Draw calls of a few threads that run beside each other, told by the kernel, by the program, or by both."""
    out = Told()
    threads: dict[int, deque[tuple[int, list[bytes]]]] = {}
    for number in range(1, draw(st.integers(1, 8)) + 1):
        call = draw(
            st.builds(
                _Call,
                number=st.just(number),
                tid=st.integers(1, 3),
                told=st.sampled_from(["K", "P", "KPK", "KKP"]),
                name=st.sampled_from([b"kill", b"tkill", b"tgkill"]),
                cpus=st.tuples(*[st.integers(0, 1)] * 3),
            )
        )
        out.calls.append(call)
        threads.setdefault(call.tid, deque()).extend(call.units(draw))
    order = draw(st.permutations([tid for tid, units in threads.items() for _ in units]))
    for tid in order:
        cpu, texts = threads[tid].popleft()
        missing = draw(st.sampled_from([0, 0, 0, 1, 2])) if lossy else 0
        if missing:
            out.log += b"CPU:%d [LOST %d EVENTS]\n" % (cpu, missing)
            out.losses += 1
        for text in texts[missing:]:
            out.log += b"%16s-%-7d [%03d] ..... %5d.%06d: %s\n" % (b"x", tid, cpu, 1, len(out.log), text)
    return out
