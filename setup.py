"""Compile the hot loops if a C compiler is at hand; if none is, they run interpreted."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# A module of which a .pxd says the types is one that runs compiled.
HOT = [path.with_suffix("") for path in sorted(Path("sigtrace").rglob("*.pxd"))]
# Many a Python was built with -O2, which the scanner would take over, and take a third more time.
FLAGS = ["-O3", "-funroll-loops"]

extensions = cythonize(
    [Extension(".".join(path.parts), [f"{path}.py"], extra_compile_args=FLAGS) for path in HOT], nthreads=0
)
for extension in extensions:
    extension.optional = True  # cythonize forgets it
setup(ext_modules=extensions)
