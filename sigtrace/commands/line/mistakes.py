"""Mistakes: what a parser says of a word that it does not know: which one may have been meant."""

from __future__ import annotations

import argparse
import sys
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn

from sigtrace.commands import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Parser(argparse.ArgumentParser):
    """A parser that suggests the command or the option that is most like a mistyped one.

    If it is `mixed`, options may stand between the words that are none: `query SESSION --csv SQL`.
    """

    mixed = False
    _words: Sequence[str] = ()
    _mixing = False

    def parse_known_args(
        self,
        args: Iterable[str] | None = None,
        namespace: Any = None,  # noqa: ANN401 -- argparse takes any object
    ) -> tuple[Any, list[str]]:
        """Parse words, all of which are to be known: so a command's own parser, which has its usage, says so."""
        if self._mixing:
            return super().parse_known_args(args, namespace)
        self._words = list(sys.argv[1:] if args is None else args)
        self._mixing = self.mixed  # argparse then calls this method for the options, and for the rest
        try:
            parse = super().parse_known_intermixed_args if self.mixed else super().parse_known_args
            known, unknown = parse(self._words, namespace)
        finally:
            self._mixing = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit; a mistyped option comes first, for other errors follow from that."""
        super().error(next(self._mistyped(), message))

    def _mistyped(self) -> Iterator[str]:
        options = [option for option in self._option_string_actions if option.startswith("--")]
        words = takewhile("--".__ne__, self._words)
        if self._subparsers is not None:  # what comes after a command is the command's
            words = takewhile(lambda word: word.startswith("-"), words)
        for word in words:
            name = word.partition("=")[0]
            if not word.startswith("-") or any(option.startswith(name) for option in options):
                continue
            if meant := _most_like(name, options):
                yield f"{name}: did you mean {meant}?"

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(action.choices)
        meant = _most_like(value, choices)
        remedy = f"did you mean {meant}?" if meant else f"give one of {', '.join(choices)}"
        raise argparse.ArgumentError(None, f"{value}: {remedy}")

    def _print_message(self, message: str, file: object = None) -> None:
        # argparse's own says nothing if that fails.
        if file is sys.stdout:
            print(message, end="")
        else:
            streams.tell(message, end="")


def _most_like(word: str, known: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, 1)), None)
