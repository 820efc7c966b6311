"""Line: the command line, `sigtrace record | watch | parse | report | who | query | doctor | demo`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from sigtrace import __version__
from sigtrace.commands import streams
from sigtrace.errors import Error
from sigtrace.facts.rules import ASKED_WITHIN_US

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
  sudo sigtrace watch --deaths                  # a sentence a process that is killed or asked to end
  sudo sigtrace watch -s TERM,KILL -o s.parquet # only these are shown; all are recorded
  sigtrace parse trace.log -o trace.parquet     # a log that was read from trace_pipe, to Parquet
  zcat *.gz | sigtrace parse - -o all.parquet   # from a pipe
  sigtrace report trace.parquet                 # how many calls, by whom, to whom, what failed, what was lost
  sigtrace who trace.parquet 1234               # who sent what to process 1234
  sigtrace who trace.log nginx --json           # by name, for a program
  sigtrace who s.parquet nginx.service -v       # by unit, container, user or a word of the command line; each
  sigtrace who s.parquet --by deployer --since -15m  # what the deployer sent, and what became of it
  sigtrace report s.parquet --html s.html       # a page to open, to send, to print
  sigtrace report s.parquet --markdown          # for a ticket
  sigtrace query s.parquet "SELECT killer_comm, count(*) FROM deaths GROUP BY ALL"
  sigtrace query 'fleet/**/*.parquet' "FROM kills" --csv  # over many sessions
  sudo sigtrace doctor                          # what recording needs, and whether it is there
  sigtrace demo                                 # a scene of its own, recorded and explained
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 done, 1 failed with one line on stderr. Wrong usage exits with 2."""
    streams.prepare()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except Error as error:
        from sigtrace.output.terminal import escaped

        streams.tell(f"sigtrace: {escaped(str(error))}")
        return error.code
    except BrokenPipeError:
        return 1  # the reader has seen enough, and is told nothing
    except OSError as error:
        # Of all else that fails, an Error says where.
        streams.tell(f"sigtrace: {error.filename or 'standard output'}: {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # which DuckDB makes of all that a signal's handler raises
            raise
        return 128 + streams.ended_by()
    finally:
        streams.settle()


def _run(argv: Sequence[str]) -> int:
    try:
        arguments = parser().parse_args(_joined(argv))
    except SystemExit:
        sys.stdout.flush()  # of --help and --version, which argparse prints
        raise
    code: int = arguments.command(arguments)
    sys.stdout.flush()
    return code


def _joined(argv: Sequence[str]) -> list[str]:
    # What argparse takes for an option: the value in `--since -15m`.
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in {"--since", "--until"} and word[:1] == "-" and word[1:2].isdigit():
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: object = None) -> None:
        # argparse's own says nothing if that fails.
        if file is sys.stdout:
            print(message, end="")
        else:
            streams.tell(message, end="")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = _Parser(
        "sigtrace",
        description="Who killed whom, with what, and how do you know?",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"sigtrace {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")

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

    watch = _command(commands, "watch", _watch, "print a line a call, or a sentence a death, as it happens")
    watch.add_argument("-p", "--pid", type=int, metavar="PID", help="only calls by this process")
    watch.add_argument("-T", "--target", type=int, metavar="PID", help="only calls that name this target")
    watch.add_argument(
        "-s", "--signal", type=_signals, default=frozenset(), metavar="SIG,...", help="only these signals"
    )
    shown = watch.add_mutually_exclusive_group()
    shown.add_argument("-x", "--failed", action="store_true", help="only calls that fail")
    shown.add_argument(
        "--deaths",
        action="store_true",
        help="print a sentence for each process that is killed, asked to end, or dies of a fault or for want of memory;"
        " -p is then who did it, -T who ended",
    )
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
    form.add_argument("--json", action="store_const", const="json", dest="form", help="print one JSON object")
    form.add_argument(
        "--markdown", action="store_const", const="markdown", dest="form", help="print Markdown, for a ticket"
    )
    form.add_argument("--html", metavar="OUT.html", help="write a page: one file, which needs no network")

    who = _command(commands, "who", _who, "say who ended a process, or sent it what")
    who.add_argument("session", metavar="SESSION", help=what)
    who.add_argument(
        "asked",
        nargs="?",
        default="all",
        metavar="WHAT",
        help="a pid, the name of a process or thread, a word of its command line, a unit, a container's id or pod's"
        " uid or its beginning, or a user; left out, all processes",
    )
    who.add_argument("--by", metavar="WHAT", help="what this one sent, and what became of it; with WHAT, to whom")
    for name, which in (("since", "first"), ("until", "last")):
        who.add_argument(
            f"--{name}",
            metavar="TIME",
            help=f"the {which} moment: 2026-11-22T14:02:47 or 14:02:47 in UTC, seconds of the trace clock, or -15m:"
            " that long before the end (s, m, h, d)",
        )
    who.add_argument("--limit", type=_number, metavar="N", help="tell no more than N answers")
    form = who.add_mutually_exclusive_group()
    form.add_argument(
        "-v", "--verbose", action="store_const", const="each", dest="form", help="tell each, also if many are alike"
    )
    form.add_argument("--json", action="store_const", const="json", dest="form", help="print a JSON list of objects")
    for command in (report, who):
        command.add_argument(
            "--asked-within",
            type=float,
            default=ASKED_WITHIN_US / 1e6,
            metavar="SECONDS",
            help="a process that exits so long after it was asked to end did so because of that (default: %(default)g)",
        )
    query = _command(commands, "query", _query, "ask sessions in SQL: the views events, kills and deaths")
    query.add_argument("sessions", nargs="+", metavar="SESSION", help=what)
    query.add_argument("sql", metavar="SQL", help="a query of DuckDB's")
    form = query.add_mutually_exclusive_group()
    for name in ("csv", "json", "parquet"):
        form.add_argument(
            f"--{name}", action="store_const", const=name, dest="form", help=f"print the answer as {name.upper()}"
        )
    query.add_argument(
        "--unsafe",
        action="store_true",
        help="let the query do whatever DuckDB can: read and write files, load extensions, use the network",
    )
    _command(commands, "doctor", _doctor, "say what recording needs, and whether it is there")
    _command(
        commands, "demo", _demo, "record a small scene of its own and explain it; without the rights, a stored log"
    )
    return made


def _probe_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--buffer", type=int, metavar="MB", help="ring buffer, shared among the CPUs (default: 192)")
    command.add_argument(
        "--no-arguments",
        action="store_true",
        help="leave out the arguments of processes: passwords and other secrets can stand in them",
    )
    command.add_argument(
        "--no-evidence",
        action="store_true",
        help="record the calls alone: no victims and deaths, nor who a process is (user, arguments, control group)",
    )


def _output(text: str) -> Path:
    from datetime import UTC, datetime
    from pathlib import Path

    from sigtrace.errors import SessionError
    from sigtrace.store.folder import placed

    path = Path(text)
    try:
        placed(path, "", datetime.now(UTC))  # the recorder does it again, when it begins
    except SessionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def _number(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: give a number, 0 or more")
    return int(text)


def _signals(text: str) -> frozenset[int]:
    from sigtrace.facts.signals import signal_number

    try:
        return frozenset(signal_number(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _command(
    commands: argparse._SubParsersAction[_Parser],
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
    from sigtrace.commands.record import record

    return record(arguments.output, arguments.argv, duration=arguments.duration, yielding=True, **_probe(arguments))


def _probe(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {"evidence": not arguments.no_evidence, "arguments": not arguments.no_arguments}
    if arguments.buffer is not None:
        chosen["buffer_mb"] = arguments.buffer
    return chosen


def _watch(arguments: argparse.Namespace) -> int:
    from sigtrace.commands.watch import Calls, Endings, Wanted, watch

    if arguments.deaths and arguments.no_evidence:
        raise Error("watch --deaths needs the kernel's events: leave --no-evidence out")
    wanted = Wanted(arguments.pid, arguments.target, arguments.signal, arguments.failed)
    watch(
        Endings(wanted) if arguments.deaths else Calls(wanted),
        arguments.output,
        duration=arguments.duration,
        **_probe(arguments),
    )
    return 0


def _doctor(_: argparse.Namespace) -> int:
    from sigtrace.commands import doctor

    return 0 if doctor.run() else 1


def _demo(_: argparse.Namespace) -> int:
    from sigtrace.commands.demo.play import demo

    demo()
    return 0


def _parse(arguments: argparse.Namespace) -> int:
    from sigtrace.commands import parse

    parse.run(arguments.logs, arguments.output)
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from sigtrace.commands import report

    within = round(arguments.asked_within * 1e6)
    report.run(arguments.sessions, arguments.form, arguments.html, asked_within_us=within)
    return 0


def _who(arguments: argparse.Namespace) -> int:
    from sigtrace.commands import who
    from sigtrace.questions.who import Question

    question = Question(arguments.asked, arguments.by, arguments.since, arguments.until)
    within = round(arguments.asked_within * 1e6)
    who.run(arguments.session, question, form=arguments.form, limit=arguments.limit, asked_within_us=within)
    return 0


def _query(arguments: argparse.Namespace) -> int:
    from sigtrace.commands import query

    query.query(arguments.sessions, arguments.sql, arguments.form, unsafe=arguments.unsafe)
    return 0
