"""What fuzzing found worth keeping: every input of the corpus is read, followed and judged as it must be."""

from __future__ import annotations

from pathlib import Path

import pytest
import targets

CORPUS = Path(__file__).with_name("corpus")
LARGEST = 500_000


@pytest.mark.parametrize(
    ("target", "corpus"), [("log", "log"), ("scan", "log"), ("rows", "rows"), ("session", "session")]
)
def test_every_input_of_the_corpus_passes(target: str, corpus: str) -> None:
    found = sorted((CORPUS / corpus).iterdir())
    assert len(found) > 50
    for path in found:
        getattr(targets, target)(path.read_bytes(), **({} if target == "session" else {"all_of_it": True}))


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < LARGEST
