"""Damages: all that can happen to a session on a disk, made one by one: names, and what each does to a folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.described import describe, described

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Damage = tuple[str, Callable[[Path], object]]

MISTYPED: list[Any] = [
    *(None, True, -1, 3.5, 1 << 62, 1 << 80, "", "x", "../../x", "\ud800", [], [None], [[]], [-1], ["x"], {}),
    *({"x": "y"}, {"0": -1}, {"-1": 1}, {"0": None}, {"x": 1}, {"²": 1}),
]
NO_DESCRIPTION = [
    *(b"", b"[]", b"null", b"3", b'"x"', b"{}", b"NaN", b"\xff\xfe", b"[" * 200_000, b'{"x":' * 200_000),
    *(b'{"lines": 1}', b'{"parts": [0, 1, 2, 3, 99999]}', b"1" * 10_000),
]


def of_description(path: Path, *, checked: bool) -> Iterator[Damage]:
    """Each key mistyped; if `checked`, with the checksum that was right before, else without any."""

    def mistype(key: str, value: Any) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            said = {**described(folder), key: value}
            if not checked:
                del said["crc32"]
            describe(folder, said)

        return change

    def drop(key: str) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            said = described(folder)
            dropped = {name: value for name, value in said.items() if name != key and (checked or name != "crc32")}
            describe(folder, dropped)

        return change

    for key, value in described(path).items():
        if key == "crc32":
            continue
        yield f"no {key}", drop(key)
        for wrong in MISTYPED if not checked else MISTYPED[:2]:
            if wrong != value:
                yield f"{key} is {wrong!r}", mistype(key, wrong)


def of_any_file(path: Path, dice: random.Random, flips: int) -> Iterator[Damage]:
    """Each file cut, gone, or something else than a file; and bits of them flipped."""
    for file in sorted(path.iterdir()):
        name, size = file.name, file.stat().st_size
        if name == "_lock":
            continue
        for keep in sorted({0, 1, 4, size // 3, size // 2, size - 8, size - 1}):
            if 0 <= keep < size:
                yield f"{name} cut to {keep}", partial(_cut, name, keep)
        yield f"{name} is gone", partial(_remove, name)
        yield f"{name} is one byte longer", partial(_lengthen, name)
        for at in sorted(dice.randrange(8 * size) for _ in range(flips if size else 0)):
            yield f"{name} bit {at}", partial(_flip, name, at)
    for name in [file.name for file in sorted(path.iterdir())] + ["part-00009.parquet", "_spool-00009.log"]:
        yield from no_file(name)


def no_file(name: str) -> Iterator[Damage]:
    """Something else than a file, under its name."""

    def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            (folder / name).unlink(missing_ok=True)
            make(folder / name)

        return change

    yield f"{name} is a link to a victim", instead(lambda place: place.symlink_to("../victim"))
    yield f"{name} is a link to itself", instead(lambda place: place.symlink_to(place.name))
    yield f"{name} is a pipe", instead(os.mkfifo)
    yield f"{name} is a folder", instead(os.mkdir)
    yield f"{name} is a hard link to a victim", instead(lambda place: place.hardlink_to(place.parent.parent / "victim"))
    if os.geteuid() == 0:
        yield (
            f"{name} is a device",
            instead(lambda place: os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))),
        )


def of_parts(other: Path) -> Iterator[Damage]:
    """Parts of another recording, or of another place, and names that no recorder gives."""

    def copy(source: str, to: str) -> Callable[[Path], object]:
        return lambda folder: shutil.copy(folder / source, folder / to)

    def swap(folder: Path) -> None:
        one, two, aside = (folder / f"{name}.parquet" for name in ("part-00001", "part-00002", "aside"))
        one.rename(aside)
        two.rename(one)
        aside.rename(two)

    yield "two parts are swapped", swap
    for number in range(3):
        name = f"part-{number:05}.parquet"
        yield f"{name} of another", partial(_bring, other / name)
        for to in (
            "part-00009.parquet",
            "part-x.parquet",
            "part-1.parquet",
            "part-00001.parquet",
            "part-²²²²².parquet",
        ):
            if to != name:
                yield f"{name} as {to}", copy(name, to)
    for name in ("part-.parquet", "part-00007.parquet", "_spool-xx.log", "_spool-.log", "part-\n.parquet", "x.parquet"):
        yield f"{name!r} of text", partial(_write, name)


def of_journal(path: Path) -> Iterator[Damage]:
    """The state with which a journal begins, mistyped at each place."""
    (journal,) = path.glob("_spool-*.log")
    state, _, rest = journal.read_bytes().partition(b"\n")

    def replace(line: bytes) -> Callable[[Path], object]:
        return lambda folder: (folder / journal.name).write_bytes(line + b"\n" + rest)

    for line in NO_DESCRIPTION:
        yield f"{journal.name} begins with {line[:20]!r}", replace(line)
    for place in _places(json.loads(state)):
        for wrong in MISTYPED:
            said = json.loads(state)
            inner = said
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            yield f"{journal.name} {place} is {wrong!r}", replace(json.dumps(said).encode())


def _cut(name: str, keep: int, folder: Path) -> None:
    os.truncate(folder / name, keep)


def _remove(name: str, folder: Path) -> None:
    (folder / name).unlink()


def _lengthen(name: str, folder: Path) -> None:
    with (folder / name).open("ab") as opened:
        opened.write(b"\0")


def _flip(name: str, at: int, folder: Path) -> None:
    data = bytearray((folder / name).read_bytes())
    data[at // 8] ^= 1 << at % 8
    (folder / name).write_bytes(data)


def _bring(part: Path, folder: Path) -> None:
    shutil.copy(part, folder / part.name)


def _write(name: str, folder: Path) -> None:
    (folder / name).write_bytes(b"text\n")


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*place, key))
