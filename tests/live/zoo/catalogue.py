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
    states,
    terminal,
    threads,
    tools,
)
from zoo.stage import Stage

Scene = Callable[[Stage], None]
"""A way to die: it starts its processes on a stage, and notes there how they ended."""

_MODULES = [
    *(asked, groups, tools, itself, faults, kernel, cgroups),
    *(terminal, parents, namespaces, identity, threads, states, races),
]

SCENES: dict[str, Scene] = {
    name: scene
    for module in _MODULES
    for name, scene in vars(module).items()
    if callable(scene) and scene.__module__ == module.__name__ and not name.startswith("_")
}
"""The public functions of the modules of zoo.scenes."""
