"""Parser: the grammar of the command line, and its help."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

from sigtrace import __version__
from sigtrace.commands.line import run, values
from sigtrace.commands.line.mistakes import Parser
from sigtrace.facts.rules import ASKED_WITHIN_US

if TYPE_CHECKING:
    from collections.abc import Sequence

_SESSIONS = "a recording, a Parquet file, a raw log, a folder of these, or a glob"
_HOME = "/var/lib/sigtrace, or what SIGTRACE_HOME says"
_FLIGHT = f"left out, the flight recorder's record ({_HOME})"

_EXAMPLES = """\
examples:
  sudo sigtrace record -o s.parquet -- ./suite  # record while ./suite runs
  sudo sigtrace record -o s.parquet             # until ^C
  sudo sigtrace record -s TERM,KILL -o s.parquet # the kernel drops other signals: a long recording stays small
  sudo sigtrace record --unit nginx -o s.parquet # nginx.service, and who has to do with it
  sudo sigtrace record --flight --keep 14d      # always on: what is kept can be asked without naming a session
  sudo sigtrace record -o 'fleet/host={host}/date={date}/{time}.parquet'  # for a place that many hosts share
  sudo sigtrace watch -x                        # a line a call that fails, as it happens
  sudo sigtrace watch --deaths                  # a sentence a process that is killed or asked to end
  sudo sigtrace watch -s TERM,KILL -o s.parquet # only these are shown; all are recorded
  sudo sigtrace watch --json                    # a line of JSON for each call, and for each signal whatever sent it
  sigtrace parse trace.log -o trace.parquet     # a log that was read from trace_pipe, to Parquet
  zcat *.gz | sigtrace parse - -o all.parquet   # from a pipe
  sigtrace report trace.parquet                 # how many calls, by whom, to whom, what failed, what was lost
  sigtrace who trace.parquet 1234               # who sent what to process 1234
  sigtrace who trace.log nginx --json           # by name, for a program
  sigtrace who nginx --since -1h                # what the flight recorder has of it
  sigtrace who nginx --journal                  # nothing was recorded: what systemd and the kernel noticed
  sigtrace who s.parquet nginx.service -v       # by unit, container, user or a word of the command line; each
  sigtrace who s.parquet --by deployer --since -15m  # what the deployer sent, and what became of it
  sigtrace who s.parquet worker --exit-code     # for a script: 0 if a signal ended one, 3 if none, 4 if unknown
  sigtrace report s.parquet --html s.html       # a page to open, to send, to print
  sigtrace report s.parquet --markdown          # for a ticket
  sigtrace report s.parquet --perfetto s.pftrace  # lives and signals, to look at in ui.perfetto.dev
  sigtrace report --since -1h                   # the last hour of what the flight recorder has
  sigtrace query s.parquet "SELECT killer_comm, count(*) FROM deaths GROUP BY ALL"
  sigtrace query 'fleet/**/*.parquet' "FROM kills" --csv  # over many sessions
  sudo sigtrace service install --keep 30d      # have systemd run it, from now on and at boot
  sigtrace service install --print              # the unit alone
  sigtrace status                               # how the flight recorder is, and what it has kept
  sudo sigtrace doctor                          # what recording needs, and whether it is there
  sigtrace demo                                 # a scene of its own, recorded and explained
  sigtrace help who                             # what a command does and takes
"""

_EXIT_CODES = """\
exit code:
  0 if the command did its work, 1 if it failed (a line on stderr says why), 2 if the usage was wrong.
  record -- COMMAND exits as the command did; status and doctor exit with 1 if something is not as it should be;
  who --exit-code, and no other command, exits with what it found.
"""


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 -- it has no other name


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = Parser(
        "sigtrace",
        description="Who killed whom, with what, and how do you know?",
        epilog=f"{_EXAMPLES}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"sigtrace {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    _record(commands)
    _watch(commands)
    _parse(commands)
    _report(commands)
    _who(commands)
    _query(commands)
    _status(commands)
    _service(commands)
    _command(commands, "doctor", run.doctor, "say what recording needs, and whether it is there")
    _command(
        commands, "demo", run.demo, "record a small scene of its own and explain it; without the rights, a stored log"
    )
    _help(commands, made)
    return made


def joined(argv: Sequence[str]) -> list[str]:
    """Return the words of a command line as the parser takes them: to that, `-15m` in `--since -15m` is an option."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in {"--since", "--until"} and word[:1] == "-" and word[1:2].isdigit():
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _record(commands: _Commands) -> None:
    record = _command(commands, "record", run.record, "record a session, while a command runs or until ^C")
    where = record.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "-o",
        "--output",
        type=values.recording,
        metavar="NAME.parquet",
        help="the folder to write; {host}, {date} and {time} (UTC) are filled in when the recording begins",
    )
    where.add_argument(
        "--flight",
        nargs="?",
        const="",
        metavar="DIR",
        help=f"record for years into DIR ({_HOME}), and keep the latest",
    )
    _keep_options(record, "with --flight: ")
    _signals_option(record)
    record.add_argument(
        "-p",
        "--pid",
        type=values.pids,
        default=(),
        dest="pids",
        metavar="PID,...",
        help="record only these processes, their descendants, and whoever has to do with them; with -o",
    )
    record.add_argument(
        "--unit",
        type=values.units,
        default=(),
        dest="units",
        metavar="UNIT,...",
        help="record only the processes of these systemd units, and whoever has to do with them; with -o",
    )
    record.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    _probe_options(record)
    record.add_argument(
        "argv", nargs="*", metavar="-- COMMAND ARGS", help="record while it runs; pass its exit code on"
    )


def _watch(commands: _Commands) -> None:
    watch = _command(commands, "watch", run.watch, "print a line a call, or a sentence a death, as it happens")
    watch.add_argument("-p", "--pid", type=int, metavar="PID", help="only calls by this process")
    watch.add_argument("-T", "--target", type=int, metavar="PID", help="only calls that name this target")
    watch.add_argument(
        "-s", "--signal", type=values.signals, default=frozenset(), metavar="SIG,...", help="only these signals"
    )
    shown = watch.add_mutually_exclusive_group()
    shown.add_argument("-x", "--failed", action="store_true", help="only calls that fail")
    shown.add_argument(
        "--deaths",
        action="store_true",
        help="print a sentence for each process that is killed, asked to end, or dies of a fault or for want of memory;"
        " -p is then who did it, -T who ended. If a flight recorder records, its record is told, and root not needed",
    )
    watch.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object a line: of calls and of all signals, also the kernel's, with the names of victims;"
        " with --deaths, of endings",
    )
    _home_option(watch)
    watch.add_argument(
        "-o",
        "--output",
        type=values.recording,
        metavar="NAME.parquet",
        help="record at once, as record -o does; the switches above change only what is shown",
    )
    watch.add_argument("--duration", type=float, metavar="S", help="end after S seconds")
    _probe_options(watch)


def _parse(commands: _Commands) -> None:
    parse = _command(commands, "parse", run.parse, "write a raw trace_pipe log as Parquet")
    parse.mixed = True
    parse.add_argument("logs", nargs="+", metavar="LOG", help="a log, also .gz, .xz or .zst; - is standard input")
    parse.add_argument(
        "-o", "--output", required=True, type=values.parquet, metavar="OUT.parquet", help="the file to write"
    )


def _report(commands: _Commands) -> None:
    report = _command(commands, "report", run.report, "say who killed whom, and what else is in sessions")
    report.add_argument("sessions", nargs="*", metavar="SESSION", help=f"{_SESSIONS}; {_FLIGHT}")
    report.mixed = True
    _home_option(report)
    _period_options(report)
    form = report.add_mutually_exclusive_group()
    _form(form, "json", "print one JSON object")
    _form(form, "markdown", "print Markdown, for a ticket")
    for name in ("csv", "parquet"):
        _form(form, name, f"print the deaths as {name.upper()}")
    form.add_argument("--html", metavar="OUT.html", help="write a page: one file, which needs no network")
    form.add_argument(
        "--perfetto", metavar="OUT.pftrace", help="write lives and signals as a trace for https://ui.perfetto.dev"
    )
    _form(form, "opentelemetry", "send a log record for each death by OTLP, to where OTEL_EXPORTER_OTLP_ENDPOINT says")
    _asked_within(report)


def _who(commands: _Commands) -> None:
    who = _command(commands, "who", run.who, "say who ended a process, or sent it what")
    who.add_argument("session", nargs="?", metavar="SESSION", help=f"{_SESSIONS}; {_FLIGHT}")
    who.add_argument(
        "asked",
        nargs="?",
        metavar="WHAT",
        help="a pid, the name of a process or thread, a word of its command line, a unit, a container's id or pod's"
        " uid or its beginning, or a user; left out, all processes",
    )
    who.mixed = True
    _home_option(who)
    who.add_argument(
        "--journal",
        action="store_true",
        help="ask systemd's journal, which knows less: this host's, or one in a file, named in place of a session, that"
        " `journalctl -o json` or `dmesg` wrote",
    )
    who.add_argument("--by", metavar="WHAT", help="what this one sent, and what became of it; with WHAT, to whom")
    _period_options(who)
    who.add_argument("--limit", type=values.number, metavar="N", help="tell no more than N answers")
    form = who.add_mutually_exclusive_group()
    form.add_argument(
        "-v", "--verbose", action="store_const", const="each", dest="form", help="tell each, also if many are alike"
    )
    _form(form, "json", "print a JSON list of objects")
    for name in ("csv", "parquet"):
        _form(form, name, f"print a row for each as {name.upper()}")
    who.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 0 if a signal ended one of those who are told of (killed, self, fault, oom; with --by, a signal"
        " of that sender), with 3 if none, with 4 if that is unknown; with 1 if the command failed, as ever",
    )
    _asked_within(who)


def _query(commands: _Commands) -> None:
    query = _command(commands, "query", run.query, "ask sessions in SQL: the views events, kills and deaths")
    query.add_argument("sessions", nargs="*", metavar="SESSION", help=f"{_SESSIONS}; {_FLIGHT}")
    query.add_argument("sql", metavar="SQL", help="a query of DuckDB's")
    query.mixed = True
    _home_option(query)
    _period_options(query)
    form = query.add_mutually_exclusive_group()
    for name in ("csv", "json", "parquet"):
        _form(form, name, f"print the answer as {name.upper()}")
    query.add_argument(
        "--unsafe",
        action="store_true",
        help="let the query do whatever DuckDB can: read and write files, load extensions, use the network",
    )


def _status(commands: _Commands) -> None:
    status = _command(commands, "status", run.status, "say how the flight recorder is, and what it has kept")
    _home_option(status)
    form = status.add_mutually_exclusive_group()
    _form(form, "json", "print one JSON object")
    _form(form, "prometheus", "print it as the node exporter's textfile collector takes it")


def _service(commands: _Commands) -> None:
    service = _command(
        commands, "service", run.service, "have systemd run the flight recorder, from now on and at boot"
    )
    service.add_argument("what", choices=("install", "uninstall"), help="install and start it, or take it back")
    service.add_argument("--print", action="store_true", help="print the unit, and do nothing")
    _keep_options(service)
    _signals_option(service)
    _arguments_option(service)


def _form(forms: argparse._MutuallyExclusiveGroup, name: str, what: str) -> None:
    forms.add_argument(f"--{name}", action="store_const", const=name, dest="form", help=what)


def _help(commands: _Commands, of_all: Parser) -> None:
    def print_help(arguments: argparse.Namespace) -> int:
        commands.choices.get(arguments.of, of_all).print_help()
        return 0

    told = _command(commands, "help", print_help, "say what a command does and takes, or which commands there are")
    told.add_argument(
        "of", nargs="?", choices=tuple(commands.choices), metavar="COMMAND", help="left out, all commands"
    )


def _keep_options(command: argparse.ArgumentParser, when: str = "") -> None:
    for name, kind, default, what in (
        ("keep", "age", "14d", "what is older goes (default: %(default)s; s, m, h, d, w)"),
        ("keep-size", "size", "2G", "the oldest goes if all is larger (default: %(default)s)"),
        ("keep-free", "share", "5%", "the oldest goes if less of the disk is free (default: %(default)s)"),
    ):
        command.add_argument(
            f"--{name}", type=values.kept(kind), default=default, metavar=kind.upper(), help=f"{when}{what}"
        )


def _signals_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-s",
        "--signal",
        type=values.recorded,
        default=frozenset(),
        dest="signals",
        metavar="SIG,...",
        help="record only these signals, and SIGKILL: the kernel drops the others, and answers say so; who ends of one"
        " is recorded all the same",
    )


def _arguments_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-arguments",
        action="store_true",
        help="leave out the arguments of processes: passwords and other secrets can stand in them",
    )


def _period_options(command: argparse.ArgumentParser) -> None:
    for name, which in (("since", "first"), ("until", "last")):
        command.add_argument(
            f"--{name}",
            metavar="TIME",
            help=f"the {which} moment: 2026-11-22T14:02:47 or 14:02:47 in UTC, seconds of the trace clock, or -15m:"
            " that long before the end (s, m, h, d)",
        )


def _asked_within(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--asked-within",
        type=float,
        default=ASKED_WITHIN_US / 1e6,
        metavar="SECONDS",
        help="a process that exits so long after it was asked to end did so because of that (default: %(default)g)",
    )


def _home_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", dest="home", metavar="DIR", help=f"the flight recorder's folder ({_HOME})")


def _probe_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--buffer", type=int, metavar="MB", help="ring buffer, shared among the CPUs (default: 192)")
    _arguments_option(command)
    command.add_argument(
        "--no-evidence",
        action="store_true",
        help="record the calls alone: no victims and deaths, nor who a process is (user, arguments, control group)",
    )


def _command(
    commands: _Commands,
    name: str,
    run: object,
    what: str,
) -> Parser:
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
