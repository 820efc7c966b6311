"""Twins: modules of sigtrace as Python runs them, beside the compiled ones."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import sigtrace

if TYPE_CHECKING:
    from types import ModuleType

_ROOT = Path(sigtrace.__file__).parent


class _Interpreted:
    # Finds the modules of one package as Python runs them, whether or not they were compiled.
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        source = _ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
        if not name.startswith(f"{self._package}.") or not source.exists():
            return None
        return spec_from_file_location(name, source, loader=SourceFileLoader(name, str(source)))


def interpreted(name: str) -> ModuleType:
    """Return a module of sigtrace as Python runs it, with all that it uses of its own package."""
    package = ".".join(name.split(".")[:2])
    kept = {known: sys.modules.pop(known) for known in _of(package)}
    parent = kept.get(package)
    finder = _Interpreted(package)
    sys.meta_path.insert(0, finder)
    try:
        return import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for known in _of(package):
            del sys.modules[known]
        sys.modules.update(kept)
        if parent is not None:
            setattr(sigtrace, package.rpartition(".")[2], parent)


def _of(package: str) -> list[str]:
    return [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
