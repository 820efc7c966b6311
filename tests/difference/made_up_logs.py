"""Logs by number: each as the kernel could print it, or as somebody could forge or damage it, the same at each run."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random

_FIXTURES = Path(__file__).parents[1] / "fixtures"
LOGS = [path.read_bytes() for path in sorted(_FIXTURES.glob("*.txt"))]
LOGS += [gzip.decompress(path.read_bytes())[: 1 << 20] for path in sorted(_FIXTURES.glob("*.txt.gz"))]
_LINES = [line for log in LOGS for line in log.split(b"\n")[:600]]

_SCRAPS = (
    *(b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\0", b" ", b"  ", b"\t", b"-", b":", b": ", b"[", b"]", b"(", b")", b"#"),
    *(b"9" * 18, b"9" * 19, b"2147483647", b"2147483648", b"-2147483649", b"65536", b"0x", b"-0", b"007", b"\xff"),
    *(
        b"CPU:0 [LOST 5 EVENTS]\n",
        b"\nCPU:1 [LOST EVENTS]\n",
        b"CPU:65536 [LOST 1 EVENTS]",
        b"CPU:0 [LOST ",
        b"EVENTS]",
    ),
    *(
        b"  x-1 [000] 1: ",
        b"-1 [000] 1: a: ",
        b" " * 17,
        b"<...>",
        b"[001]",
        b"(-------) ",
        b"(      7) ",
        b"1.000000: ",
    ),
    *(b"PID 1 (x", b") sent signal 9 \n", b") sent signal ", b"to PID 1, ret = 0\n", b"to PID ", b", ret = -1"),
    *(b"bpf_trace_printk: ", b"bpf_string=", b"0x00000001: ", b"0: ", b"tracing_mark_write: "),
    *(b"sigtrace args uid=0 cgroup=1 ", b"sigtrace exec old=1 ", b" cgroup=", b" old="),
    *(
        b"sys_kill(pid: 0x",
        b"sys_tgkill(tgid: 1, pid: 0x7, sig: f)",
        b"sys_kill -> 0x0",
        b"sys_exit_group(error_code: 0x",
    ),
    *(
        b" pid=1 comm=",
        b" dst_path=",
        b"cgroup_mkdir: root=0 id=1 level=1 path=",
        b" uid=0 ",
        b" uid=",
        b" total-vm=1kB",
    ),
    *(
        b" group_dead=true",
        b" child_comm=",
        b" child_pid=7",
        b" sa_handler=",
        b" sa_flags=",
        b" pid=7",
        b" grp=1",
        b" res=",
    ),
)
_NAMES = (
    b"bash",
    b"systemd-journal",
    b"kworker/0:1-ev",
    b"Web Content",
    b"(sd-pam)",
    b"",
    b"a b",
    b"<...>",
    b"x-1",
    b"-",
)


def log(number: int) -> bytes:
    """Return the made-up log of a number."""
    dice = Random(number)  # noqa: S311 -- the same at each run
    made = bytearray(b"".join(_piece(dice) for _ in range(dice.randint(1, 3))))
    for _ in range(dice.choice([0, 0, 1, 2, 5])):
        _damage(dice, made)
    return bytes(made)


def _piece(dice: Random) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        whole = dice.choice(LOGS)
        start = dice.randrange(len(whole))
        return whole[start : start + dice.randrange(1200)]
    if kind == 1:
        return b"".join(dice.choice(_LINES) + b"\n" for _ in range(dice.randrange(8)))
    return b"".join(_record(dice) for _ in range(dice.randrange(12)))


def _comm(dice: Random) -> bytes:
    if dice.random() < 0.6:
        return dice.choice(_NAMES)
    if dice.random() < 0.8:
        return b"".join(dice.choice(_SCRAPS) for _ in range(dice.randint(1, 4)))[:15]
    return dice.randbytes(dice.randrange(16)).replace(b"\0", b"")


def _text(dice: Random) -> bytes:
    return b"".join(dice.choice(_SCRAPS) for _ in range(dice.randrange(5))) if dice.random() < 0.4 else b"/bin/true"


def _number(dice: Random) -> int:
    return dice.choice([0, 1, 9, 15, dice.randrange(-70, 70), dice.randrange(-(1 << 31), 1 << 31)])


def _hex(dice: Random, number: int) -> bytes:
    number &= (1 << 64) - 1
    return b"0x%x" % number if dice.random() < 0.7 else b"%x" % number


def _record(dice: Random) -> bytes:
    if dice.random() < 0.06:
        return dice.choice([b"CPU:%d [LOST %d EVENTS]\n", b"CPU:%d [LOST EVENTS]%.0d\n"]) % (dice.randrange(3), 3)
    tid, cpu, comm = dice.randint(1, 3), dice.randrange(3), _comm(dice)
    tgid = dice.choice([b"", b"", b"(%7d) " % dice.randint(1, 3), b"(-------) "])
    flags = dice.choice([b"...21 ", b"d..1. ", b"d... ", b".....  ", b""])
    ts = (
        b"%d.%06d" % (dice.randrange(9), dice.randrange(10**6))
        if dice.random() < 0.9
        else b"%d" % dice.randrange(10**9)
    )
    header = b"%16s-%-7d %b[%03d] %b%b: " % (comm, tid, tgid, cpu, flags, ts)
    other = b"%16s-%-7d %b[%03d] %b%b: " % (_comm(dice), tid, tgid, cpu, flags, ts)
    texts = _texts(dice, comm, tid)
    return b"".join(dice.choice([header, header, other]) + text + b"\n" for text in texts if dice.random() < 0.95)


def _texts(dice: Random, comm: bytes, tid: int) -> list[bytes]:
    sig, target, ret = _number(dice), _number(dice), dice.choice([0, -1, -3])
    said, name, number = dice.choice([comm, _comm(dice)]), _comm(dice), _number(dice)
    printk = dice.choice(
        [b"bpf_trace_printk: ", b"bpf_trace_printk: ", b"0x00000001: ", b"bpf_trace_printk: bpf_string="]
    )
    program = [
        printk + b"PID %d (%b) sent signal %d " % (abs(number), said, sig),
        printk + b"to PID %d, ret = %d" % (target, ret),
    ]
    call = dice.choice([b"kill", b"tkill", b"tgkill"])
    arguments = b"pid: %b, sig: %b)" % (_hex(dice, target), _hex(dice, sig))
    kernel = [b"sys_%b(%b" % (call, (b"tgid: 0x1, " if call == b"tgkill" else b"") + arguments)]
    kernel.append(b"sys_%b -> 0x%x" % (call, ret & ((1 << 64) - 1)))
    ended = dice.choice([b"", b" group_dead=true", b" group_dead=false"])
    figures = b" comm=%b total-vm=1kB, uid=%d oom_score_adj=0" % (name, abs(number))
    moved = b"dst_root=0 dst_id=%d dst_level=1 dst_path=%b pid=%d comm=%b" % (tid, _text(dice), target, name)
    generated = b"sig=%d errno=0 code=%d comm=%b pid=%d grp=%d res=%d" % (sig, ret, name, target, tid % 2, tid)
    handler = _hex(dice, number)[-9:]
    born = dice.choice([said, said, name])
    one = dice.choice(
        [
            b"signal_generate: " + generated,
            b"signal_deliver: sig=%d errno=0 code=0 sa_handler=%b sa_flags=%x" % (sig, handler, tid),
            b"sched_process_exit: comm=%b pid=%d prio=120%b" % (said, tid, ended),
            b"sched_process_fork: comm=%b pid=%d child_comm=%b child_pid=%d" % (said, tid, born, target),
            b"sched_process_exec: filename=%b pid=%d old_pid=%d" % (_text(dice), tid, target),
            b"mark_victim: pid=%d" % target + dice.choice([b"", figures]),
            b"sys_exit_group(error_code: %b)" % _hex(dice, number),
            b"sys_exit(error_code: %b)" % _hex(dice, number),
            b"cgroup_attach_task: " + moved,
            b"cgroup_mkdir: root=0 id=%d level=1 path=%b" % (tid, _text(dice)),
            printk + b"sigtrace exec old=%d %b" % (target, _text(dice)),
            printk + b"sigtrace args uid=%d cgroup=%d %b" % (target, tid, _text(dice)),
            b"tracing_mark_write: " + program[0],
        ]
    )
    ways = [
        program,
        program,
        kernel,
        [kernel[0], *program, kernel[1]],
        [*kernel, *program],
        [one],
        [one],
        [program[0], one, program[1]],
    ]
    return dice.choice(ways)


def _damage(dice: Random, made: bytearray) -> None:
    at = dice.randrange(len(made) + 1)
    kind = dice.randrange(6)
    if kind == 0:
        del made[at : at + dice.randint(1, 40)]
    elif kind == 1:
        made[at:at] = dice.choice(_SCRAPS)
    elif kind == 2:
        scrap = dice.choice(_SCRAPS)
        made[at : at + len(scrap)] = scrap
    elif kind == 3:
        made[at:at] = _piece(dice)[:400]
    elif kind == 4 and made:
        made[at % len(made)] = dice.randrange(256)
    else:
        lines = bytes(made).splitlines(keepends=True)
        dice.shuffle(lines)
        made[:] = b"".join(lines[: dice.randint(0, len(lines))])
