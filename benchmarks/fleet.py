"""Write a made-up fleet: the sessions of many hosts and days, as `sigtrace record` writes them.

A day of a host is played as a log, which sigtrace parses: processes that fork, execute and exit, monitors that ask with
signal 0, a supervisor that ends some with SIGTERM, some with SIGKILL, some with both, faults, and the OOM killer: one
in two hundred processes, as in a recorded build. Some such days are played; every session is one of them under another
host, with other pids and times.
"""

import argparse
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.facts.schema import SCHEMA, VERSION
from sigtrace.store.folder import Folder
from sigtrace.store.part import Part
from sigtrace.trace.accounting import Accounting
from sigtrace.trace.parser import Parser

ROWS = 100_000_000
DAYS = 7
_PLAYED = 4
_DAY_ROWS = 250_000  # of a host that starts a process a second: docs/fleet.md
_DAY_US = 86_400_000_000
_FIRST_DAY = datetime(2026, 11, 16, tzinfo=UTC)
_PIDS = 4_000_000  # pid_max of a 64-bit kernel is 4,194,304
_COMMANDS = ("sh", "bash", "grep", "python3", "node", "cc1", "make", "git", "curl", "worker", "cron", "test-runner")
_DAEMONS = {300: "supervisor", 301: "monitor", 302: "kubelet", 303: "cron", 304: "sshd", 305: "runner"}


@dataclass
class Day:
    """A day of a host, as lines of trace_pipe; `pids` is how many were given out."""

    dice: random.Random
    ts: int = 1_000_000
    pids: int = 1_000
    lines: list[str] = field(default_factory=list)
    rows: int = 0

    def play(self, rows: int) -> None:
        """Play until there are so many rows, evenly over a day."""
        while self.rows < rows:
            self.ts = 1_000_000 + self.rows * (_DAY_US // rows) + self.dice.randrange(1000)
            share = self.dice.random()
            if share < 0.45:
                self._probe()
            elif share < 0.46:
                self._fail()
            else:
                self._process()

    def _line(self, pid: int, comm: str, event: str) -> None:
        self.ts += self.dice.randrange(1, 40)
        at = f"{self.ts // 1_000_000}.{self.ts % 1_000_000:06}"
        self.lines.append(f"{comm:>16}-{pid:<7} ({pid:7}) [{pid % 4:03}] d..1. {at:>13}: {event}\n")
        self.rows += 1

    def _call(self, pid: int, sig: int, target: int, ret: int = 0) -> None:
        comm = _DAEMONS[pid]
        self._line(pid, comm, f"bpf_trace_printk: PID {pid} ({comm}) sent signal {sig} ")
        self._line(pid, comm, f"bpf_trace_printk: to PID {target}, ret = {ret}")
        self.rows -= 1

    def _probe(self) -> None:
        self._call(301, 0, self.dice.choice([*_DAEMONS, 1]), 0 if self.dice.random() < 0.9 else -3)

    def _fail(self) -> None:
        self._call(self.dice.choice([300, 302, 305]), 15, self.dice.randrange(1000, self.pids + 1), -3)

    def _hit(self, sender: int, pid: int, comm: str, sig: int, *, code: int = 0, called: bool = True) -> None:
        by = (sender, _DAEMONS.get(sender, comm))
        self._line(*by, f"signal_generate: sig={sig} errno=0 code={code} comm={comm} pid={pid} grp=1 res=0")
        if called:
            self._call(sender, sig, pid)

    def _process(self) -> None:
        self.pids += 1
        pid, comm = self.pids, self.dice.choice(_COMMANDS)
        parent = self.dice.choice([302, 303, 304, 305])
        name = _DAEMONS[parent]
        self._line(parent, name, f"sched_process_fork: comm={name} pid={parent} child_comm={name} child_pid={pid}")
        self._line(pid, comm, f"sched_process_exec: filename=/usr/bin/{comm} pid={pid} old_pid={pid}")
        end = self.dice.random()
        if end < 0.003:
            self._hit(300, pid, comm, 15)
        elif end < 0.0042:
            self._hit(305, pid, comm, 9)
        elif end < 0.0047:
            self._hit(300, pid, comm, 15)
            self._line(pid, comm, "signal_deliver: sig=15 errno=0 code=0 sa_handler=55d0c0ffee00 sa_flags=0")
            self.ts += 1_000_000
            self._hit(300, pid, comm, 9)
        elif end < 0.005:
            self._hit(pid, pid, comm, 11, code=1, called=False)
        elif end < 0.0051:
            self._line(pid, comm, f"mark_victim: pid={pid}")
            self._hit(pid, pid, comm, 9, code=128, called=False)
        if end < 0.0051:
            sig = 11 if 0.0047 <= end < 0.005 else 9
            self._line(pid, comm, f"signal_deliver: sig={sig} errno=0 code=0 sa_handler=0 sa_flags=0")
        self._line(pid, comm, f"sched_process_exit: comm={comm} pid={pid} prio=120 group_dead=true")


def _played(seed: int, rows: int) -> tuple[pa.Table, Accounting, int]:
    day = Day(random.Random(seed))  # noqa: S311  (the same fleet each time)
    day.play(rows)
    parser = Parser()
    batches = [*parser.feed("".join(day.lines).encode()), *parser.finish()]
    return pa.Table.from_batches(batches, schema=SCHEMA).unify_dictionaries(), parser.accounting, day.pids


def _moved(table: pa.Table, log: str, pids: int, ts: int, utc: int) -> pa.Table:
    # Daemons keep their pids.
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name in ("pid", "tid", "target"):
        column = columns[name]
        columns[name] = pc.if_else(
            pc.greater(column, pa.scalar(999, pa.int32())), pc.add(column, pa.scalar(pids, pa.int32())), column
        )
    columns["ts"] = pc.add(columns["ts"], pa.scalar(ts, pa.int64()))
    columns["time"] = pc.add(columns["ts"], pa.scalar(utc, pa.int64())).cast(pa.timestamp("us", tz="UTC"))
    codes = pa.Array.from_buffers(pa.int32(), len(table), [None, pa.py_buffer(bytes(4 * len(table)))])
    columns["log"] = pa.chunked_array([pa.DictionaryArray.from_arrays(codes, pa.array([log]))])
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _write(folder: Path, host: int, day: int, played: tuple[pa.Table, Accounting, int]) -> None:
    table, account, pids = played
    dice = random.Random(host * 1000 + day)  # noqa: S311
    began = _FIRST_DAY + timedelta(days=day)
    name = f"web-{host:04}"
    log = f"{name}@{began:%Y-%m-%dT%H:%M:%S.%f}Z"
    ts = dice.randrange(1, 30) * _DAY_US
    utc = int(began.timestamp()) * 1_000_000 - ts
    path = folder / f"host={name}" / f"date={began:%Y-%m-%d}" / "000000.parquet"
    path.mkdir(parents=True)
    about = {
        "schema": VERSION,
        "log": log,
        "host": name,
        "utc_offset_us": utc,
        "started": began.isoformat(),
        **account.to_dict(),
    }
    part = Part(path / "part-00000.parquet")
    for batch in _moved(table, log, dice.randrange(_PIDS - pids), ts, utc).to_batches():
        part.write(batch)
    part.close(account.to_dict())
    Folder(path).describe(about)


def main() -> None:
    """Write the fleet where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where; must not be there yet")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many rows, about ({ROWS:,})")
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    days = [_played(seed, min(_DAY_ROWS, args.rows)) for seed in range(_PLAYED)]
    written = 0
    number = 0
    while written < args.rows:
        _write(args.folder, number // DAYS, number % DAYS, days[number % _PLAYED])
        written += len(days[number % _PLAYED][0])
        number += 1
    print(f"{args.folder}: {written:,} rows in {number:,} sessions")


if __name__ == "__main__":
    main()
