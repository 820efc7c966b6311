"""Sentences: what happened to a process, and what is unknown."""

from sigtrace.output.sentence.doubt import (
    abouts,
    chosen_text,
    how_to_record,
    lost_text,
    newer_text,
    signals_text,
    unknown,
    unseen_text,
)
from sigtrace.output.sentence.testified import doubt_of_journal, testified
from sigtrace.output.sentence.told import (
    Piece,
    alike_pieces,
    death_pieces,
    error_text,
    joined,
    name,
    plain,
    process,
    sentence,
    source_text,
)

__all__ = [
    "Piece",
    "abouts",
    "alike_pieces",
    "chosen_text",
    "death_pieces",
    "doubt_of_journal",
    "error_text",
    "how_to_record",
    "joined",
    "lost_text",
    "name",
    "newer_text",
    "plain",
    "process",
    "sentence",
    "signals_text",
    "source_text",
    "testified",
    "unknown",
    "unseen_text",
]
