"""Compile scan.py where a C compiler is at hand; where none is, it runs interpreted."""

from Cython.Build import cythonize
from setuptools import Extension, setup

extensions = cythonize([Extension("sigtrace.scan", ["sigtrace/scan.py"])])
for extension in extensions:
    extension.optional = True  # cythonize forgets it
setup(ext_modules=extensions)
