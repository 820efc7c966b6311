"""Write a made-up build farm: one recording of a host that builds, as `sigtrace record` writes it.

Runners fork compilers and tests, which execute, fork threads here and there, and exit; one process in twenty is killed
by its runner, with SIGTERM, with SIGKILL, or with both. A stretch of it is played as a log, which sigtrace parses; the
recording is that stretch again and again, later each time, and the pids come again as on a host with a small pid_max.
"""

import argparse
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.facts.schema import SCHEMA, VERSION
from sigtrace.store.folder import Folder
from sigtrace.store.part import Part
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.parser import Parser

ROWS = 10_000_000
_PLAYED = 1_000_000  # a part
_BATCH = 1 << 16
_BEGAN = datetime(2026, 11, 16, tzinfo=UTC)
_FIRST_PID, _PIDS = 1000, 900_000
_COMMANDS = ("sh", "cc1", "as", "ld", "make", "git", "python3", "node", "pytest", "test-runner")
_RUNNERS = {pid: f"runner-{pid}" for pid in range(300, 316)}
_LIVING = 200


class Farm:
    """A stretch of the farm, as lines of trace_pipe."""

    def __init__(self, seed: int, commands: Sequence[str]) -> None:
        self.commands = commands
        self.dice = random.Random(seed)  # noqa: S311  (the same farm each time)
        self.ts = 1_000_000
        self.pids = _FIRST_PID
        self.rows = 0
        self.lines: list[str] = []
        self.living: list[tuple[int, str, list[int]]] = []

    def play(self, rows: int) -> None:
        """Play until there are so many rows, and all processes have ended."""
        while self.rows < rows:
            self._begin()
            if len(self.living) > _LIVING:
                self._end()
        while self.living:
            self._end()

    def _line(self, tid: int, pid: int, comm: str, event: str) -> None:
        self.ts += self.dice.randrange(1, 40)
        at = f"{self.ts // 1_000_000}.{self.ts % 1_000_000:06}"
        self.lines.append(f"{comm:>16}-{tid:<7} ({pid:7}) [{tid % 4:03}] d..1. {at:>13}: {event}\n")
        self.rows += 1

    def _fork(self, pid: int, comm: str) -> int:
        self.pids += 1
        child = self.pids
        self._line(pid, pid, comm, f"sched_process_fork: comm={comm} pid={pid} child_comm={comm} child_pid={child}")
        return child

    def _begin(self) -> None:
        runner = self.dice.choice(list(_RUNNERS))
        pid, comm = self._fork(runner, _RUNNERS[runner]), self.dice.choice(self.commands)
        self._line(pid, pid, _RUNNERS[runner], f"sched_process_exec: filename=/usr/bin/{comm} pid={pid} old_pid={pid}")
        threads = [self._fork(pid, comm) for _ in range(10)] if self.dice.random() < 0.02 else []
        self.living.append((pid, comm, threads))

    def _end(self) -> None:
        pid, comm, threads = self.living.pop(self.dice.randrange(len(self.living)))
        killed = self.dice.random() < 0.05
        if killed:
            runner = self.dice.choice(list(_RUNNERS))
            if self.dice.random() < 0.3:
                self._kill(runner, pid, comm, 15)
                handled = "sig=15 errno=0 code=0 sa_handler=55d0c0ffee00 sa_flags=0"
                self._line(pid, pid, comm, f"signal_deliver: {handled}")
            self._kill(runner, pid, comm, self.dice.choice([9, 15]))
            for tid in (pid, *threads):
                self._line(tid, pid, comm, "signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0")
        for tid in threads:
            self._line(tid, pid, comm, f"sched_process_exit: comm={comm} pid={tid} prio=120 group_dead=false")
        self._line(pid, pid, comm, f"sched_process_exit: comm={comm} pid={pid} prio=120 group_dead=true")

    def _kill(self, runner: int, pid: int, comm: str, sig: int) -> None:
        by = (runner, runner, _RUNNERS[runner])
        self._line(*by, f"signal_generate: sig={sig} errno=0 code=0 comm={comm} pid={pid} grp=1 res=0")
        self._line(*by, f"bpf_trace_printk: PID {runner} ({_RUNNERS[runner]}) sent signal {sig} ")
        self._line(*by, f"bpf_trace_printk: to PID {pid}, ret = 0")
        self.rows -= 1


def write(path: Path, rows: int, commands: Sequence[str] = _COMMANDS) -> int:
    """Write the recording; return how many rows it has."""
    farm = Farm(1, commands)
    farm.play(min(_PLAYED, rows))
    parser = Parser()
    played = [*parser.feed("".join(farm.lines).encode()), *parser.finish()]
    table = pa.Table.from_batches(played, schema=SCHEMA).unify_dictionaries()
    lines, took = parser.accounting.lines, farm.ts
    log = f"build-1@{_BEGAN:%Y-%m-%dT%H:%M:%S.%f}Z"
    utc = int(_BEGAN.timestamp()) * 1_000_000
    path.mkdir(parents=True)
    written = 0
    account = Accounting()
    while written < rows:
        number = written // len(table)
        account += parser.accounting
        part = Part(path / f"part-{number:05}.parquet")
        for batch in _moved(table, log, number * lines, number * took, utc).to_batches(max_chunksize=_BATCH):
            part.write(batch)
        part.close(account.to_dict())
        written += len(table)
    about = {"schema": VERSION, "log": log, "host": "build-1", "utc_offset_us": utc, "started": _BEGAN.isoformat()}
    Folder(path).describe({**about, **account.to_dict()})
    return written


def _moved(table: pa.Table, log: str, lines: int, ts: int, utc: int) -> pa.Table:
    columns = dict(zip(table.column_names, table.columns, strict=True))
    columns["line"] = pc.add(columns["line"], pa.scalar(lines, pa.int64()))
    columns["ts"] = pc.add(columns["ts"], pa.scalar(ts, pa.int64()))
    columns["time"] = pc.add(columns["ts"], pa.scalar(utc, pa.int64())).cast(pa.timestamp("us", tz="UTC"))
    codes = pa.Array.from_buffers(pa.int32(), len(table), [None, pa.py_buffer(bytes(4 * len(table)))])
    columns["log"] = pa.chunked_array([pa.DictionaryArray.from_arrays(codes, pa.array([log]))])
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def main() -> None:
    """Write the farm where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where; must not be there yet")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many rows, about ({ROWS:,})")
    parser.add_argument("--name", help="of all processes; otherwise they have the names of what builds run")
    args = parser.parse_args()
    rows = write(args.folder, args.rows, [args.name] if args.name else _COMMANDS)
    print(f"{args.folder}: {rows:,} rows")


if __name__ == "__main__":
    main()
