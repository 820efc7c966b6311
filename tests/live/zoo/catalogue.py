"""Catalogue: the scenes by name, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable

from zoo.scenes import (
    asked,
    cgroups,
    faults,
    groups,
    identity,
    itself,
    kernel,
    namespaces,
    parents,
    races,
    routine,
    states,
    terminal,
    threads,
    tools,
)
from zoo.scenes.contained import containers, moves
from zoo.scenes.graceful import (
    consequences,
    forwarders,
    handled,
    killers,
    managers,
    postgres,
    raised,
    uninvited,
    waited,
)
from zoo.stage import Stage

Scene = Callable[[Stage], None]
"""A way to die: it starts its processes on a stage, and notes there how they ended."""

BEFORE = "_before"
"""What the name of a scene ends with if its processes are there before the recording begins."""

_MODULES = [
    *(asked, groups, tools, itself, faults, kernel, cgroups),
    *(terminal, parents, namespaces, identity, threads, states, races, routine),
    *(handled, waited, raised, uninvited, forwarders, managers, postgres, consequences, killers, moves, containers),
]


def _catalogue() -> dict[str, Scene]:
    scenes: dict[str, Scene] = {}
    for module in _MODULES:
        for name, scene in vars(module).items():
            if name.startswith("_") or not callable(scene) or scene.__module__ != module.__name__:
                continue
            if name in scenes:
                raise ValueError(f"two scenes are called {name}")
            scenes[name] = scenes[name + BEFORE] = scene
    return scenes


SCENES = _catalogue()
"""The public functions of the modules of zoo.scenes, each twice: all of it recorded, and begun before the recording."""
