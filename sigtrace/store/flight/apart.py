"""Apart: a part that a process of its own writes from the journal, so that a recorder does without pyarrow."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigtrace.capture import helper
from sigtrace.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sigtrace.store.disk.place import Place
    from sigtrace.trace.parser import Rows


class Apart:
    """A part of a session that says `about` of itself, as `sigtrace.store.part.Part` is one, in the folder `place`.

    Its rows are those of a `journal`, or what `tell` was given; those that it is given to `write` are counted alone.
    Raises `SessionError` if it cannot be written.
    """

    def __init__(self, path: Path, place: Place, about: dict[str, Any], journal: str | None = None) -> None:
        self.path = path
        self.rows = 0
        self._place = place
        self._asked = {
            "part": path.name,
            "about": {name: about.get(name) for name in ("log", "host", "utc_offset_us")},
            "journal": journal,
        }

    def tell(
        self,
        line: int,
        processes: Sequence[dict[str, Any]],
        cgroups: Mapping[str, int],
        unrecorded: tuple[datetime, datetime] | None,
    ) -> None:
        """Take what `sigtrace.store.snapshot.Rows` makes rows of."""
        times = None if unrecorded is None else [moment.isoformat() for moment in unrecorded]
        # The numbers of threads cannot be keys in JSON.
        told = [{**one, "threads": list(one["threads"].items())} for one in processes]
        self._asked["seen"] = {"line": line, "processes": told, "cgroups": dict(cgroups), "unrecorded": times}

    def write(self, rows: Rows) -> None:
        """Count rows: the journal has them."""
        self.rows += len(rows)

    def close(self, metadata: dict[str, Any]) -> None:
        """Have the part written, with metadata as of `Part.close`; after this it survives a power cut."""
        helped(self.path, {**self._asked, "metadata": metadata}, self._place)

    def abandon(self) -> None:
        """Leave nothing behind: there is nothing yet."""


def recovered(path: Path) -> None:
    """Have a session recovered whose recorder is gone: see `sigtrace.store.trust.recovery.recover`."""
    helped(path, {"recover": str(path)})


def helped(path: Path, asked: dict[str, Any], place: Place | None = None) -> None:
    """Have a process of its own do what is asked about a path. Raises `SessionError` if it does not."""
    descriptors = [] if place is None else [place.descriptor]
    done = subprocess.run(
        helper.command("sigtrace.store.flight", "apart.main()"),
        input=json.dumps({**asked, "place": descriptors}),
        pass_fds=descriptors,
        process_group=0,  # out of reach of ^C
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"the process that writes it has ended with {done.returncode}"]
        raise SessionError(said[-1] if said[-1].startswith(str(path)) else f"{path}: {said[-1]}")


def main() -> None:
    """Do what is asked on standard input; end with 1, and a line on standard error, if that cannot be done."""
    from sigtrace.capture import rights
    from sigtrace.store.trust.recovery import recover

    rights.drop()  # before pyarrow, which starts a thread
    asked = json.load(sys.stdin)
    try:
        if "recover" in asked:
            from sigtrace.store.folder import Folder

            recover(Folder(Path(asked["recover"])))
        else:
            _write(asked)
    except SessionError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _write(asked: dict[str, Any]) -> None:
    from sigtrace.store.disk.place import Place
    from sigtrace.store.part import Part

    (descriptor,) = asked["place"]
    folder = Path(f"/proc/self/fd/{descriptor}")
    part = Part(folder / asked["part"], place=Place(folder, private=True, descriptor=descriptor))
    try:
        if asked["journal"] is None:
            _write_seen(part, asked["seen"], asked["about"])
        else:
            _write_journal(part, folder / asked["journal"], asked)
        part.close(asked["metadata"])
    except BaseException:
        part.abandon()
        raise


def _write_seen(part: Any, seen: dict[str, Any], about: dict[str, Any]) -> None:  # noqa: ANN401 -- imported late
    from sigtrace.store.snapshot import Rows

    processes = [{**one, "threads": dict(one["threads"])} for one in seen["processes"]]
    times = seen["unrecorded"]
    unrecorded = None if times is None else (datetime.fromisoformat(times[0]), datetime.fromisoformat(times[1]))
    rows = Rows(about["log"], seen["line"], about["utc_offset_us"])
    part.write(rows.batch(processes, seen["cgroups"], unrecorded))


def _write_journal(part: Any, journal: Path, asked: dict[str, Any]) -> None:  # noqa: ANN401 -- likewise
    from sigtrace.store.trust import recovery

    reading = recovery.parser(asked["about"])
    for batch in recovery.rows(asked["about"], reading, journal, last=False):
        part.write(batch)
    told = {name: asked["metadata"][name] for name in reading.accounting.to_dict()}
    if reading.accounting.to_dict() != told:  # the recorder has ended its log
        for batch in reading.finish():
            part.write(batch)
    if reading.accounting.to_dict() != told:
        raise SessionError("the journal does not hold what was recorded: it stays, and the next open reads it")
