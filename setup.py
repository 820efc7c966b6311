"""Compile scan.py where a C compiler is at hand; where none is, it runs interpreted."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(ext_modules=cythonize([Extension("sigtrace.scan", ["sigtrace/scan.py"], optional=True)]))
