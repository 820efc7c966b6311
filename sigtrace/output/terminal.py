"""Terminal: sentences and tables on stdout, as wide as the terminal, with nothing in a name taken as a command."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PIPE_WIDTH = 10_000
_PADDING = re.compile(r" +(?=(?:\x1b\[[\d;]*m| )*$)", re.MULTILINE)


def escaped(name: str) -> str:
    r"""Return a name with every character that does not print as an escape: a newline as `\n`, ESC as `\x1b`."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def width() -> int:
    """Return how many columns there are: the terminal's, or plenty if stdout is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH


def write_sentence(text: str, *, indent: str = "") -> None:
    """Print a sentence, on a terminal in lines that fit, those after the first behind `indent`."""
    print("\n".join(textwrap.wrap(text, width(), subsequent_indent=indent, break_on_hyphens=False)))


def write_warnings(texts: Iterable[str]) -> None:
    """Print on stderr what an answer has no place for."""
    for text in texts:
        print(f"sigtrace: {escaped(text)}", file=sys.stderr)


def write_hint(text: str) -> None:
    """Print what to type next, if stdout is a terminal: in one line however wide, so that it can be copied."""
    if sys.stdout.isatty():
        print(f"\n{text}")


def count(n: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun: `1 call`, `1,234 calls`; `nouns` is its plural if that is no plain s."""
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def listed(parts: Sequence[str], word: str) -> str:
    """Return parts as a list in words: `a, b and c`; `word` stands before the last."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def write_title(text: str) -> None:
    """Print the sentence that stands over a table or a list, on a terminal in bold."""
    lines = textwrap.wrap(text, width(), break_on_hyphens=False)
    print("\n".join(f"\x1b[1m{line}\x1b[0m" for line in lines) if sys.stdout.isatty() else "\n".join(lines))


def write_table(over: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print a table under a sentence; `right` says which columns stand to the right. What is printed is escaped."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name, numeric in zip(columns, right, strict=True):
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        drawn.add_row(*(Text(escaped(value)) for value in row))
    console = Console(width=width(), highlight=False, emoji=False, markup=False)
    natural = console.measure(drawn, options=console.options.update(width=_PIPE_WIDTH)).maximum
    drawn.collapse_padding = natural > console.width
    with console.capture() as captured:
        console.print(drawn)
    write_title(over)
    # What pads the last column would be pasted, and wraps in a narrower terminal.
    print(_PADDING.sub("", captured.get()), end="")
