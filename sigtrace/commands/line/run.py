"""Run: each command, as its arguments say. It imports what it needs itself: pyarrow takes longer than --help may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.errors import Error
from sigtrace.facts.rules import ASKED_WITHIN_US

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from sigtrace.commands.flight.asked import Asked


def record(arguments: argparse.Namespace) -> int:
    """Run `sigtrace record`."""
    from sigtrace.commands.record import record

    path, kept = arguments.output, None
    if arguments.flight is not None:
        from sigtrace.store.flight import home, retention

        path = home.folder(arguments.flight)
        kept = retention.of(arguments.keep, arguments.keep_size, arguments.keep_free)
    options = {"duration": arguments.duration, "signals": arguments.signals, **_probe(arguments)}
    return record(path, arguments.argv, kept=kept, chosen=_chosen(arguments), yielding=True, **options)


def _chosen(arguments: argparse.Namespace) -> dict[str, Sequence[Any]] | None:
    if not (arguments.pids or arguments.units):
        return None
    from sigtrace.commands.line import chosen

    if arguments.flight is not None:
        raise Error("--pid and --unit narrow a recording, and --flight records all: give -o instead")
    if arguments.no_evidence:
        raise Error("--pid and --unit need the kernel's events: leave --no-evidence out")
    return chosen.of(arguments.pids, arguments.units)


def status(arguments: argparse.Namespace) -> int:
    """Run `sigtrace status`."""
    from sigtrace.commands.flight import status
    from sigtrace.store.flight import home

    return status.run(home.folder(arguments.home), arguments.form)


def service(arguments: argparse.Namespace) -> int:
    """Run `sigtrace service`."""
    from sigtrace.commands.flight import service

    kept = {"--keep": arguments.keep, "--keep-size": arguments.keep_size, "--keep-free": arguments.keep_free}
    options = [word for option in kept.items() for word in option]
    options += ["--no-arguments"] if arguments.no_arguments else []
    options += ["-s", ",".join(map(str, sorted(arguments.signals)))] if arguments.signals else []
    if arguments.print:
        service.show(options)
    elif arguments.what == "install":
        service.install(options)
    else:
        service.uninstall()
    return 0


def watch(arguments: argparse.Namespace) -> int:
    """Run `sigtrace watch`."""
    from sigtrace.commands.watch import Calls, Endings, Signals, Wanted, watch

    if arguments.deaths and arguments.no_evidence:
        raise Error("watch --deaths needs the kernel's events: leave --no-evidence out")
    wanted = Wanted(arguments.pid, arguments.target, arguments.signal, arguments.failed)
    calls = Signals if arguments.json else Calls
    if arguments.home and (arguments.output or not arguments.deaths):
        raise Error("watch --dir tells the endings of a record: give --deaths with it, and no -o")
    if arguments.deaths and not arguments.output:
        from sigtrace.commands.flight import watched
        from sigtrace.store.flight import home

        folder = home.folder(arguments.home)
        if arguments.home or home.is_held(folder):
            watched.watch(Endings(wanted, as_json=arguments.json), folder, arguments.duration)
            return 0
    watch(
        Endings(wanted, as_json=arguments.json) if arguments.deaths else calls(wanted),
        arguments.output,
        duration=arguments.duration,
        **_probe(arguments),
    )
    return 0


def doctor(_: argparse.Namespace) -> int:
    """Run `sigtrace doctor`."""
    from sigtrace.commands import doctor

    return 0 if doctor.run() else 1


def demo(_: argparse.Namespace) -> int:
    """Run `sigtrace demo`."""
    from sigtrace.commands.demo.play import demo

    demo()
    return 0


def parse(arguments: argparse.Namespace) -> int:
    """Run `sigtrace parse`."""
    from sigtrace.commands import parse

    parse.run(arguments.logs, arguments.output)
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Run `sigtrace report`."""
    from sigtrace.commands import report

    within = round(arguments.asked_within * 1e6)
    forms = arguments.form, arguments.html, arguments.perfetto
    report.run(_asked(arguments, within), *forms, asked_within_us=within)
    return 0


def who(arguments: argparse.Namespace) -> int:
    """Run `sigtrace who`."""
    from sigtrace.commands import who
    from sigtrace.commands.flight import asked
    from sigtrace.questions.who import Question

    if arguments.journal:
        return _of_journal(arguments)
    within = round(arguments.asked_within * 1e6)
    sessions, whom = [arguments.session], arguments.asked
    if arguments.session is None or arguments.home or (whom is None and not asked.is_session(arguments.session)):
        if whom is not None:
            raise Error(f"{arguments.session} {whom}: with --dir, name whom you ask for, and no session")
        sessions, whom = [], arguments.session
    found = asked.of(sessions, arguments.home, arguments.since, arguments.until, within)
    (session,) = found.sessions
    question = Question(whom or "all", arguments.by, found.since, found.until)
    return who.run(
        session,
        question,
        form=arguments.form,
        limit=arguments.limit,
        asked_within_us=within,
        first=found.first,
        exit_code=arguments.exit_code,
    )


def _of_journal(arguments: argparse.Namespace) -> int:
    from sigtrace.commands import who
    from sigtrace.commands.flight import asked

    for name in ("home", "by", "since", "until", "exit_code"):
        if getattr(arguments, name):
            option = {"home": "dir"}.get(name, name).replace("_", "-")
            raise Error(f"--{option} asks a session, and --journal asks a journal: leave one of them out")
    path, whom = arguments.session, arguments.asked
    if whom is None and path is not None and not asked.is_session(path):
        path, whom = None, path
    return who.of_journal(path, whom or "all", form=arguments.form, limit=arguments.limit)


def query(arguments: argparse.Namespace) -> int:
    """Run `sigtrace query`."""
    from sigtrace.commands import query

    query.query(_asked(arguments, ASKED_WITHIN_US), arguments.sql, arguments.form, unsafe=arguments.unsafe)
    return 0


def _asked(arguments: argparse.Namespace, within_us: int) -> Asked:
    from sigtrace.commands.flight import asked

    return asked.of(arguments.sessions, arguments.home, arguments.since, arguments.until, within_us)


def _probe(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {"evidence": not arguments.no_evidence, "arguments": not arguments.no_arguments}
    if arguments.buffer is not None:
        chosen["buffer_mb"] = arguments.buffer
    return chosen
