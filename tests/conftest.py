"""What the tests share: the fixtures' folder, the scanner's interpreted twin, and how many examples are made."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import settings

import sigtrace.parse
from sigtrace import Accounting, Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("hunt", deadline=None, max_examples=2000)
settings.load_profile("default")

FIXTURES = Path(__file__).with_name("fixtures")
SCAN = Path(sigtrace.__file__).with_name("scan.py")


def _interpreted_scan() -> ModuleType:
    loader = SourceFileLoader("interpreted_scan", str(SCAN))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Return the folder of real logs."""
    return FIXTURES


@pytest.fixture(scope="session")
def twin() -> ModuleType:
    """Return scan.py as Python runs it, whether or not it was compiled."""
    return _interpreted_scan()


@pytest.fixture(scope="session")
def parse(twin: ModuleType) -> Callable[..., tuple[list[dict[str, Any]], Accounting]]:
    """Return a function from a log's bytes, cut where told, to its rows and its account."""

    def parse(
        log: bytes, *, cuts: Iterable[int] = (), rows: int = 1 << 10, interpreted: bool = False
    ) -> tuple[list[dict[str, Any]], Accounting]:
        if interpreted:
            with mock.patch.object(sigtrace.parse, "scan", twin):
                parser = Parser(rows=rows)
        else:
            parser = Parser(rows=rows)
        at = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
        batches = [batch for start, stop in pairwise(at) for batch in parser.feed(log[start:stop])]
        batches += parser.finish()
        return [row for batch in batches for row in batch.to_pylist()], parser.accounting

    return parse
