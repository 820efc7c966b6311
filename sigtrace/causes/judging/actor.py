"""Actor: of a killer and its ancestors, the first that did not just do as it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.causes.tracking.process import Image

_SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"])
_MESSENGERS = _SHELLS | frozenset(
    [
        *("kill", "pkill", "killall", "killall5", "skill", "timeout", "start-stop-daem"),
        *("sudo", "doas", "su", "runuser", "env", "setsid", "nohup", "xargs", "nice", "ionice", "stdbuf", "flock"),
    ]
)
_RECORDER = "sigtrace"
_LONG = 60


def is_messenger(image: Image) -> bool:
    """Tell whether a process does as it is told: a shell that runs no script, or a tool such as kill or timeout."""
    return image.comm in _MESSENGERS and (image.comm not in _SHELLS or script(image.command) is None)


def actor(names: list[str], commands: list[str | None]) -> tuple[int, str]:
    """Return the number of the first of a process and its ancestors that is no messenger, and its name; else 0.

    A shell that runs a script, or a line with -c, is called by it. The walk ends at the recorder, who only started what
    it records.
    """
    for n, (name, command) in enumerate(zip(names, commands, strict=True)):
        if name == _RECORDER:
            break
        file = script(command)
        if name in _SHELLS and file is not None:
            return n, file
        if name not in _MESSENGERS:
            return n, name
    return 0, names[0]


def script(command: str | None) -> str | None:
    """Return the script that a shell runs, by its file's name, or the line that it was given with -c."""
    words = (command or "").split(" ")
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
