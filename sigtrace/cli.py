"""The command line: `sigtrace record | watch | parse | report | who | query | doctor | demo`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

from sigtrace.errors import Error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The rest is imported by the command that needs it: pyarrow takes longer than --help may.

_EXAMPLES = """\
examples:
  sudo sigtrace record -o s.parquet -- ./suite  # record while ./suite runs
  sudo sigtrace record -o s.parquet             # until ^C
  sudo sigtrace record -o 'fleet/host={host}/date={date}/{time}.parquet'  # for a place that many hosts share
  sudo sigtrace watch -x                        # a line a call that fails, as it happens
  sudo sigtrace watch -s TERM,KILL -o s.parquet # only these are shown; all are recorded
  sigtrace parse trace.log -o trace.parquet     # a log that was read from trace_pipe, to Parquet
  zcat *.gz | sigtrace parse - -o all.parquet   # from a pipe
  sigtrace report trace.parquet                 # how many calls, by whom, to whom, what failed, what was lost
  sigtrace who trace.parquet 1234               # who sent what to process 1234
  sigtrace who trace.log nginx --json           # by name, for a program
  sigtrace report s.parquet --html s.html       # a page to open, to send, to print
  sigtrace report s.parquet --markdown          # for a ticket
  sigtrace query s.parquet "SELECT killer_comm, count(*) FROM deaths GROUP BY ALL"
  sigtrace query 'fleet/**/*.parquet' "FROM kills" --csv  # over many sessions
  sudo sigtrace doctor                          # what recording needs, and whether it is there
  sigtrace demo                                 # a scene of its own, recorded and explained
"""


def run() -> None:
    """Run the command of this process, and end it."""
    if sys.argv[1:2] != ["parse"]:
        sys.exit(main())
    _hurry()
    code = main()
    os._exit(code)  # what is left is to take the interpreter apart, a tenth of a short log's time


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed with one line on stderr. Wrong usage exits with 2."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except Error as error:
        from sigtrace.terminal import escaped

        print(f"sigtrace: {escaped(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        # Of all else that fails, an Error says where. The reader of a pipe has seen enough, and is told nothing.
        if not isinstance(error, BrokenPipeError):
            print(f"sigtrace: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        # Python must not complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _hurry() -> None:
    # pyarrow imports numpy where it can; nothing here needs it, and it is half of the time of a short log.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    # Its own allocator takes more from the kernel, page by page, than a file's encoding gives back in speed.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # There is no garbage but what counting finds, and to look for it takes a tenth of a short log's time.
    gc.disable()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "sigtrace",
        description="Who killed whom, with what, and how do you know?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    record = _command(commands, "record", _record, "record a session, while a command runs or until ^C")
    record.add_argument(
        "-o",
        "--output",
        type=_output,
        required=True,
        metavar="NAME.parquet",
        help="the folder to write; {host}, {date} and {time} (UTC) are filled in when the recording begins",
    )
    record.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    _probe_options(record)
    record.add_argument(
        "argv", nargs="*", metavar="-- COMMAND ARGS", help="record while it runs; pass its exit code on"
    )

    watch = _command(commands, "watch", _watch, "print a line a call, as it happens")
    watch.add_argument("-p", "--pid", type=int, metavar="PID", help="only calls by this process")
    watch.add_argument("-T", "--target", type=int, metavar="PID", help="only calls that name this target")
    watch.add_argument(
        "-s", "--signal", type=_signals, default=frozenset(), metavar="SIG,...", help="only these signals"
    )
    watch.add_argument("-x", "--failed", action="store_true", help="only calls that fail")
    watch.add_argument(
        "-o",
        "--output",
        type=_output,
        metavar="NAME.parquet",
        help="record at once, as record -o does; the switches above change only what is shown",
    )
    watch.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    _probe_options(watch)

    parse = _command(commands, "parse", _parse, "write a raw trace_pipe log as Parquet")
    parse.add_argument("logs", nargs="+", metavar="LOG", help="a log, also .gz, .xz or .zst; - is standard input")
    parse.add_argument("-o", "--output", required=True, metavar="OUT.parquet", help="the file to write")

    what = "a recording, a Parquet file, a raw log, a folder of these, or a glob"
    report = _command(commands, "report", _report, "say who killed whom, and what else is in sessions")
    report.add_argument("sessions", nargs="+", metavar="SESSION", help=what)
    form = report.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for a ticket")
    form.add_argument("--html", metavar="OUT.html", help="write a page: one file, which needs no network")

    who = _command(commands, "who", _who, "say who sent what to a process")
    who.add_argument("session", metavar="SESSION", help=what)
    who.add_argument("asked", nargs="?", default="all", metavar="PID|NAME", help="the process; left out, all of them")
    who.add_argument("--json", action="store_true", help="print a JSON list of objects")
    query = _command(commands, "query", _query, "ask sessions in SQL: the views events, kills and deaths")
    query.add_argument("sessions", nargs="+", metavar="SESSION", help=what)
    query.add_argument("sql", metavar="SQL", help="a query of DuckDB's")
    form = query.add_mutually_exclusive_group()
    for name in ("csv", "json", "parquet"):
        form.add_argument(
            f"--{name}", action="store_const", const=name, dest="form", help=f"print the answer as {name.upper()}"
        )
    _command(commands, "doctor", _doctor, "say what recording needs, and whether it is there")
    _command(
        commands, "demo", _demo, "record a small scene of its own and explain it; without the rights, a stored log"
    )
    return parser


def _probe_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--buffer", type=int, metavar="MB", help="ring buffer, shared among the CPUs (default: 192)")
    command.add_argument(
        "--no-evidence", action="store_true", help="leave out the kernel's events about victims and deaths"
    )


def _output(text: str) -> Path:
    from datetime import UTC, datetime
    from pathlib import Path

    from sigtrace.errors import SessionError
    from sigtrace.folder import placed

    path = Path(text)
    try:
        placed(path, "", datetime.now(UTC))  # the recorder does it again, when it begins
    except SessionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def _signals(text: str) -> frozenset[int]:
    from sigtrace.signals import signal_number

    try:
        return frozenset(signal_number(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: object,
    what: str,
) -> argparse.ArgumentParser:
    lines = [line for line in _EXAMPLES.splitlines() if f"sigtrace {name} " in line]
    command = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog="\n".join(["examples:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=run)
    return command


def _record(arguments: argparse.Namespace) -> int:
    from sigtrace.record import record

    return record(arguments.output, arguments.argv, duration=arguments.duration, **_probe(arguments))


def _probe(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {"evidence": not arguments.no_evidence}
    if arguments.buffer is not None:
        chosen["buffer_mb"] = arguments.buffer
    return chosen


def _watch(arguments: argparse.Namespace) -> int:
    from sigtrace.watch import Wanted, watch

    wanted = Wanted(arguments.pid, arguments.target, arguments.signal, arguments.failed)
    watch(wanted, arguments.output, duration=arguments.duration, **_probe(arguments))
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from sigtrace.doctor import checks

    done = checks()
    for check in done:
        print(f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.detail}")
        if check.remedy:
            print(f"        {check.remedy}")
    return 0 if all(check.ok for check in done) else 1


def _demo(_: argparse.Namespace) -> int:
    from sigtrace.demo import demo

    demo()
    return 0


def _parse(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from sigtrace.log import Log, write
    from sigtrace.parse import COMPILED

    if not COMPILED:
        print(
            "sigtrace: the scanner runs interpreted, some 200 times slower: reinstall with a C compiler",
            file=sys.stderr,
        )
    account = write([Log(log) for log in arguments.logs], Path(arguments.output))
    kinds = account.lines_by_kind
    said = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    print(f"{arguments.output}: {kinds.get('kill', 0) // 2:,} calls from {account.lines:,} lines ({said}).")
    if account.lossy:
        print(f"{account.lost:,} events were lost: `sigtrace report` says what that leaves unknown.")
    print(f"Now ask it: sigtrace report {arguments.output}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from sigtrace import report
    from sigtrace.database import Database

    as_text = not (arguments.json or arguments.markdown or arguments.html)
    with Database(*arguments.sessions) as database:
        answer = report.summary(database, timeline=not as_text)
    if arguments.json:
        report.write_json(answer)
    if arguments.markdown:
        from sigtrace.ticket import markdown

        print(markdown(answer), end="")
    if arguments.html:
        from sigtrace.page import write

        write(answer, Path(arguments.html))
        print(f"{arguments.html}: open it in any browser, or send it; it needs no network.", file=sys.stderr)
    if as_text:
        report.write_text(answer)
    return 0


def _who(arguments: argparse.Namespace) -> int:
    from sigtrace import report, who
    from sigtrace.database import Database

    with Database(arguments.session) as database:
        answer = who.who(database, arguments.asked, exits=arguments.json)
        if arguments.json:
            report.write_json(answer)
        else:
            who.tell(database, arguments.asked, answer, report.unknown(database))
    return 0


def _query(arguments: argparse.Namespace) -> int:
    from sigtrace import query

    query.query(arguments.sessions, arguments.sql, arguments.form)
    return 0
