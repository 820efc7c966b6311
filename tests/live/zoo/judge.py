"""Judge: the answer of `sigtrace who` beside the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zoo.truth import Death, Truth

CAUSES = True
"""Whether the answers must tell causes: `asked`, exit status and first cause. If not, they may, all or none of it."""

_BY_A_CALL = (None, "call", "queue")
_BY_A_DEATH = ("parent", "leader", "namespace", "terminal")  # a session's leader takes its terminal along
_BLIND = ("asked", "exited", "unknown")
_SLACK = 0.05  # seconds between the kernel's clock and the one of a scene


@dataclass
class Judgement:
    """One scene: the truth and the answer in words, and what is wrong with the answer; or why it was skipped."""

    scene: str
    truth: str
    answer: str
    wrong: list[str]
    skipped: str | None = None


def judge(truth: Truth, answers: Mapping[float | None, Iterable[dict[str, Any]]]) -> Judgement:
    """Compare the answers of `sigtrace who all --json`, by their window, with the truth of one scene."""
    if truth.skipped or truth.broken:
        return Judgement(truth.scene, "", "", [f"no truth: {truth.broken}"] if truth.broken else [], truth.skipped)
    mine: dict[int, list[dict[str, Any]]] = {}
    for answer in answers[truth.window if CAUSES else None]:
        if answer["victim_pid"] in truth.pids and truth.began - _SLACK < _at(answer) < truth.ended + _SLACK:
            mine.setdefault(answer["victim_pid"], []).append(answer)
    wrong: list[str] = []
    answered: list[dict[str, Any] | None] = []
    for death in truth.deaths:
        found = mine.get(death.pid)
        answered.append(found.pop(0) if found else None)
        wrong += _complaints(death, answered[-1])
    for answer in (one for rest in mine.values() for one in rest):
        if answer["verdict"] not in ("asked", "exited", "unknown"):
            wrong.append(f"{answer['victim_comm']} ({answer['victim_pid']}) is alive, and said to be {_said(answer)}")
    return Judgement(truth.scene, _summary(map(_true, truth.deaths)), _summary(map(_said, answered)), wrong)


def _complaints(death: Death, answer: dict[str, Any] | None) -> list[str]:
    who = f"{death.comm} ({death.pid})"
    if answer is None:
        return [f"{who}: {_true(death)}, and nothing is said"]
    expected: dict[str, object] = {"victim_comm": death.comm, "lost": False}
    told = CAUSES or "exit_status" in answer
    source = answer.get("source")
    wrong = []
    if death.blind is not None:
        if answer["verdict"] not in _BLIND:
            wrong.append(f"{who}: it exited, and is said to be {_said(answer)}")
    elif told or not (death.verdict == "asked" or death.anew or death.thread):
        expected |= _expected(death)
        right: tuple[str | None, ...] = _BY_A_CALL if death.source is None else (death.source,)
        if _follows(death):
            right = _BY_A_DEATH
        if death.verdict != "exited" and source not in right:
            wrong.append(f"{who}: source is {death.source!r}, and said to be {source!r}")
    if told:
        expected |= {"exit_status": death.exit_status} if death.blind is not None else _causes(death)
    wrong += [
        f"{who}: {column} is {value!r}, and said to be {answer.get(column)!r}"
        for column, value in expected.items()
        if answer.get(column) != value
    ]
    if _at(answer) > death.at + _SLACK:
        wrong.append(f"{who}: it was dead at {death.at}, and is said to have died at {_at(answer)}")
    if not answer["lines"]:
        wrong.append(f"{who}: the answer rests on no line")
    return wrong


def _follows(death: Death) -> bool:
    # Another one's end brought it about: who the killer is, the hops say.
    return death.source in _BY_A_DEATH and bool(death.hops)


def _expected(death: Death) -> dict[str, object]:
    expected: dict[str, object] = {"verdict": death.verdict, "signal": death.signal}
    if death.source is None and death.group is not None:
        expected["group"] = death.group
    if death.actor is not None:
        expected["actor_comm"] = death.actor
    if death.verdict in ("killed", "asked") and not _follows(death):
        expected |= {"killer_pid": death.killer_pid, "killer_comm": death.killer_comm}
    return expected


def _causes(death: Death) -> dict[str, object]:
    expected: dict[str, object] = {"exit_status": death.exit_status}
    if death.hops:
        expected |= {"first_pid": death.first_pid, "first_comm": death.first_comm, "hops": death.hops}
    for column, value in {
        "how": death.how,
        "earlier_sig": death.earlier,
        "killer_command": death.killer_command,
        "killer_thread": death.thread,
        "victim_user": death.user,
        "killer_user": death.killer_user,
        "victim_unit": death.unit,
        "killer_unit": death.killer_unit,
        "victim_container": death.container,
        "victim_pod": death.pod,
    }.items():
        if value is not None:
            expected[column] = value
    return expected


def _summary(words: Iterable[str]) -> str:
    # Those who only looked on have exited, too.
    counts = Counter(words)
    if len(counts) > 1:
        del counts["exited"]
    return ", ".join(text if n == 1 or text == "exited" else f"{n} {text}" for text, n in counts.items())


def _true(death: Death) -> str:
    first = death.first_comm if len(death.hops) > 1 else None
    return _words(death.verdict, death.signal, death.source, death.killer_comm, death.actor, first, death.exit_status)


def _said(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return "nothing"
    source = None if answer.get("source") in _BY_A_CALL else answer["source"]
    killer = answer["killer_comm"] if answer["verdict"] in ("killed", "asked") else None
    first = answer.get("first_comm") if len(answer.get("hops") or ()) > 1 else None
    actor = answer.get("actor_comm") if killer else None
    return _words(answer["verdict"], answer["signal"], source, killer, actor, first, answer.get("exit_status"))


def _words(
    verdict: str,
    signal: str | None,
    source: str | None,
    killer: str | None,
    actor: str | None,
    first: str | None,
    status: int | None,
) -> str:
    words = [verdict]
    if signal is not None:
        words.append(signal)
    if source not in (None, verdict):
        words.append(f"from {source}")
    if killer is not None:
        words.append(f"by {ascii(killer)[1:-1]}")
    if actor not in (None, killer):
        words.append(f"for {actor}")
    if first is not None:
        words.append(f"because of {first}")
    if status:
        words.append(f"with {status}")
    return " ".join(words)


def _at(answer: dict[str, Any]) -> float:
    return datetime.fromisoformat(answer["time"]).timestamp()
