"""Testified: what a journal says of an ending, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigtrace.facts.signals import FAULTS
from sigtrace.output.clock import time_text
from sigtrace.output.sentence.told import Piece, joined, name, party, place, plain
from sigtrace.output.terminal import listed

if TYPE_CHECKING:
    Row = dict[str, Any]


def doubt_of_journal() -> str:
    """Return what a journal leaves unknown, in a sentence."""
    return (
        "a journal holds what systemd and the kernel noticed, and no signals; who else sent one is not in it."
        " To know it the next time, keep the flight recorder on: sudo sigtrace service install"
    )


def testified(one: Row) -> str:
    """Return an object of `sigtrace.questions.journal.endings.endings` in a sentence, with its time and witnesses."""
    when = time_text(one["ts"], one["time"], "us")
    witnesses = listed(list(dict.fromkeys(one["witnesses"])), "and")
    numbers = ", ".join(map(str, sorted(one["lines"])))
    return f"{when} {plain(joined(_victim(one), ' ', *_ending(one), '.'))} [{witnesses}: {numbers}]"


def _victim(one: Row) -> Piece:
    return name(place(one, "victim") or "?") if one["victim_pid"] is None else party(one, "victim")


def _ending(one: Row) -> list[str]:
    signal, status = one["signal"], one["exit_status"]
    exited = f"exited with status {status}"
    stopping = " while systemd was stopping it" if one["stopped"] else ""
    match one["verdict"]:
        case "oom":
            ended = ["was ended by the OOM killer"]
        case "fault":
            ended = [f"was ended by {signal} for a fault of its own"]
        case "exited":
            ended = [exited]
        case "asked":
            ended = ["ended" if status is None else exited, stopping or " after systemd had sent it a signal"]
        case "killed":
            ended = [f"was ended by {signal} from systemd (1)", stopping]
        case _ if one["sig"] in FAULTS:
            ended = [f"was ended by {signal}; whether it was a fault of its own, or somebody sent it, is unknown"]
        case _:
            how = f"was ended by {signal}" if status is None else f"{exited}, as if {signal} ended it"
            ended = [f"{how}; who sent it is unknown"]
    return ended
