"""Actor: of a killer and its ancestors, the first that did not just do as it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Process

_SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"])
_MESSENGERS = _SHELLS | frozenset(
    [
        *("kill", "pkill", "killall", "killall5", "skill", "timeout", "start-stop-daem"),
        *("sudo", "doas", "su", "runuser", "env", "setsid", "nohup", "xargs", "nice", "ionice", "stdbuf", "flock"),
    ]
)
_RECORDER = "sigtrace"
_LONG = 60


def is_messenger(process: Process) -> bool:
    """Tell whether a process does as it is told: a shell that runs no script, or a tool such as kill or timeout."""
    name = process.name()
    return name in _MESSENGERS and (name not in _SHELLS or script(process) is None)


def actor(ancestors: list[Process], names: list[str]) -> tuple[Process, str]:
    """Return the first of a process and its ancestors that is no messenger, and its name; else the process itself.

    A shell that runs a script, or a line with -c, is called by it. The walk ends at the recorder, who only started what
    it records.
    """
    for process, name in zip(ancestors, names, strict=True):
        if name == _RECORDER:
            break
        file = script(process)
        if name in _SHELLS and file is not None:
            return process, file
        if name not in _MESSENGERS:
            return process, name
    return ancestors[0], names[0]


def script(process: Process) -> str | None:
    """Return the script that a shell runs, by its file's name, or the line that it was given with -c."""
    words = (process.command or "").split(" ")
    for i, word in enumerate(words[1:], 1):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            line = " ".join(words[i + 1 :])
            return (
                f"{words[0].rsplit('/', 1)[-1]} -c {line if len(line) <= _LONG else line[:_LONG] + '…'}"
                if line
                else None
            )
        if word and not word.startswith(("-", "+")):
            return word.rsplit("/", 1)[-1] or None
    return None
