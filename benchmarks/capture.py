"""Write a synthetic trace_pipe log: the kernel's format, no losses, the same bytes for the same seed.

Nothing is lost in these logs, and a thread keeps to one CPU while its calls are in flight. So pairing the two
lines of a call by tid alone, as the peers do, gives the same rows as the honest rule of sigtrace; the speeds
then compare the same work. On a lossy log the peers would be wrong, not only slow.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Calls a CPU makes before the threads are dealt to the CPUs anew.
_SLICE = 4096
# The tracepoint prints with preemption off: `...21`, seldom with need-resched (as Linux 6.18 shows them).
_FLAGS = np.array(["...21", ".N.21"])
_FLAG_ODDS = (0.95, 0.05)
# Microseconds from a call's first line to its second, as captures show them.
_WITHIN = np.array([0, 1, 2, 15, 21])
_WITHIN_ODDS = (0.3, 0.4, 0.2, 0.06, 0.04)
_MEAN_GAP = 20
# Signals with their shares: mostly probes and ends, now and then one that does not exist.
_SIGNALS = np.array([0, 15, 9, 23, 18, 10, 1, 65, -1])
_SIGNAL_ODDS = (0.45, 0.15, 0.12, 0.1, 0.05, 0.05, 0.04, 0.02, 0.02)
# Below 1000 s, so that the seconds grow by a digit on the way.
_START = 997_672_563


@dataclass(frozen=True)
class _Thread:
    tid: int
    pid: int
    comm: str
    # What the header shows; `<...>` where the kernel has forgotten the name (it remembers 128 by default).
    shown: str


@dataclass(frozen=True)
class _Machine:
    cpus: int
    threads: list[_Thread]
    # `PID %d, ret = %d` of each target that exists, and of those that do not.
    targets: list[str]


def write(path: Path, kind: str, size: int, seed: int = 7) -> None:
    """Write a log of the kind `few` or `many`, of at least `size` bytes; it appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with part.open("wb") as out:
        for text in _slices(_machine(kind), seed, _SLICE):
            written += out.write(text.encode())
            if written >= size:
                break
    part.replace(path)


def write_lines(path: Path, kind: str, lines: int, seed: int = 7) -> None:
    """Write a log of `lines` lines, a multiple of four where few, of 16 where many."""
    machine = _machine(kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(next(_slices(machine, seed, lines // 2 // machine.cpus)))


def _machine(kind: str) -> _Machine:
    return {"few": _few, "many": _many}[kind]()


def _few() -> _Machine:
    names = ("systemd-journal", "Web Content", "(sd-pam)", "bash")
    threads = [_Thread(363 + 1000 * i, 363 + 1000 * i, name, name) for i, name in enumerate(names)]
    return _Machine(2, threads, _targets(12))


def _many() -> _Machine:
    names = [
        pattern.format(i)
        for i in range(125)
        for pattern in (
            "kworker/{}:1-ev",
            "Web Content {}",
            "(unit-{})",
            "conn [{}]",
            "pool-{}-thread",
            "tmux: server{}",
            "gc worker#{}",
            "postgres-{}",
        )
    ]
    # Processes of eight threads each.
    threads = [
        _Thread(20_011 + 3 * i, 20_011 + 3 * (i - i % 8), name, "<...>" if i % 8 == 7 else name)
        for i, name in enumerate(names)
    ]
    return _Machine(8, threads, _targets(1000))


def _targets(count: int) -> list[str]:
    there = [f"PID {1400 + 37 * i}, ret = 0" for i in range(count)]
    gone = [f"PID {400_000 + 41 * i}, ret = -3" for i in range(count // 10)]
    return [*there, *gone, "PID 0, ret = 0", "PID -1, ret = -1", "PID -999999, ret = -3"]


# Endless text, a slice at a time; a slice begins after the last line of the one before.
def _slices(machine: _Machine, seed: int, calls: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    start = _START
    while True:
        text, start = _slice(machine, rng, start, calls)
        yield text


def _slice(machine: _Machine, rng: np.random.Generator, start: int, calls: int) -> tuple[str, int]:
    seats = np.array_split(rng.permutation(len(machine.threads)), machine.cpus)
    stamps: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    lines: list[str] = []
    for cpu, seated in enumerate(seats):
        within = rng.choice(_WITHIN, calls, p=_WITHIN_ODDS)
        gaps = rng.geometric(1 / _MEAN_GAP, calls)
        # A CPU's stream: gap, first line, within, second line, gap, ...
        steps = np.stack([gaps, within], axis=1).reshape(-1)
        stamp = start + np.cumsum(steps)
        stamps.append(stamp)
        lines += _stream(machine, rng, cpu, seated[rng.integers(len(seated), size=calls)].tolist(), stamp.tolist())
    # trace_pipe merges the CPUs' buffers by time; stable, so that each CPU's own order stays.
    merged = np.concatenate(stamps)
    order = np.argsort(merged, kind="stable")
    return "".join([lines[i] for i in order.tolist()]), int(merged.max())


def _stream(machine: _Machine, rng: np.random.Generator, cpu: int, who: list[int], stamps: list[int]) -> list[str]:
    calls = len(who)
    signals = rng.choice(_SIGNALS, calls, p=_SIGNAL_ODDS).tolist()
    targets = rng.integers(len(machine.targets), size=calls).tolist()
    flags = rng.choice(_FLAGS, 2 * calls, p=_FLAG_ODDS).tolist()
    lines = []
    for i, (index, signal, target) in enumerate(zip(who, signals, targets, strict=True)):
        thread = machine.threads[index]
        header = f"{thread.shown:>16}-{thread.tid:<7} [{cpu:03d}] "
        lines.append(
            f"{header}{flags[2 * i]} {_clock(stamps[2 * i])}: bpf_trace_printk: "
            f"PID {thread.pid} ({thread.comm}) sent signal {signal} \n",
        )
        answer = machine.targets[target]
        if signal in {65, -1}:
            # The kernel looks at the signal's number only once it has found the target.
            answer = answer.replace("ret = 0", "ret = -22")
        lines.append(
            f"{header}{flags[2 * i + 1]} {_clock(stamps[2 * i + 1])}: bpf_trace_printk: to {answer}\n",
        )
    return lines


def _clock(stamp: int) -> str:
    return f"{stamp // 1_000_000:5d}.{stamp % 1_000_000:06d}"


def main() -> None:
    """Write one log, as `capture.py few 300 megabytes LOG` or `capture.py few 1000 lines LOG`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("few", "many"))
    parser.add_argument("count", type=int)
    parser.add_argument("unit", choices=("megabytes", "lines"))
    parser.add_argument("path", type=Path)
    args = parser.parse_args()
    if args.unit == "lines":
        write_lines(args.path, args.kind, args.count)
    else:
        write(args.path, args.kind, args.count * 1_000_000)


if __name__ == "__main__":
    main()
