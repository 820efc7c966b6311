"""The scenes by name, in the order in which they are shown."""

from zoo.scenes import (
    asked,
    cgroups,
    faults,
    groups,
    identity,
    itself,
    kernel,
    namespaces,
    races,
    states,
    terminal,
    threads,
    tools,
)

_MODULES = (
    asked,
    groups,
    itself,
    faults,
    terminal,
    kernel,
    tools,
    cgroups,
    namespaces,
    identity,
    threads,
    states,
    races,
)

SCENES = {
    name: scene
    for module in _MODULES
    for name, scene in vars(module).items()
    if getattr(scene, "__module__", None) == module.__name__ and not name.startswith("_")
}
