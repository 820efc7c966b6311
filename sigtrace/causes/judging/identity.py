"""Identity: the systemd unit, container and pod of a process, by the path of its control group."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sigtrace.facts.cgroup import unit

_ID = r"([0-9a-f]{32,64})"
# How the engines name a container's control group: with systemd's driver, and with cgroupfs.
_CONTAINERS = (
    ("docker", re.compile(rf"/docker-{_ID}\.scope")),
    ("docker", re.compile(rf"/docker/{_ID}(?:/|$)")),
    ("containerd", re.compile(rf"/cri-containerd-{_ID}\.scope")),
    ("cri-o", re.compile(rf"/crio-{_ID}(?:\.scope|/|$)")),
    ("podman", re.compile(rf"/libpod-{_ID}(?:\.scope|/|$)")),
    ("podman", re.compile(rf"/libpod_parent/libpod-{_ID}")),
    ("containerd", re.compile(rf"/kubepods[^ ]*/{_ID}(?:/|$)")),
    ("containerd", re.compile(rf":cri-containerd:{_ID}(?:/|$)")),
)
_POD = re.compile(
    r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice|/|$)"
)


class Identity(NamedTuple):
    """The unit, the container's engine and id, and the pod's uid; None for what a process is not in."""

    unit: str | None
    runtime: str | None
    container: str | None
    pod: str | None


@lru_cache(maxsize=4096)
def identity(cgroup: str | None) -> Identity:
    """Return what the path of a control group says of those in it."""
    if cgroup is None:
        return Identity(None, None, None, None)
    runtime, container = next(
        ((engine, found[1]) for engine, pattern in _CONTAINERS if (found := pattern.search(cgroup))), (None, None)
    )
    pod = _POD.search(cgroup)
    return Identity(unit(cgroup), runtime, container, pod[1].replace("_", "-") if pod else None)
