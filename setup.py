"""Compile scan.py where a C compiler is at hand; where none is, it runs interpreted."""

from Cython.Build import cythonize
from setuptools import Extension, setup

# Many a Python was built with -O2, which the scanner would take over, and take a third more time.
flags = ["-O3", "-funroll-loops"]
extensions = cythonize([Extension("sigtrace.trace.scan", ["sigtrace/trace/scan.py"], extra_compile_args=flags)])
for extension in extensions:
    extension.optional = True  # cythonize forgets it
setup(ext_modules=extensions)
