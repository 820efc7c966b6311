"""Compile the hot loops if a C compiler is at hand, and have the man pages and completions made that a wheel brings.

Without a compiler the loops run interpreted.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution, Extension, setup

# A module of which a .pxd says the types is one that runs compiled.
HOT = [path.with_suffix("") for path in sorted(Path("sigtrace").rglob("*.pxd"))]
# Many a Python was built with -O2, which the scanner would take over, and take a third more time.
FLAGS = ["-O3", "-funroll-loops"]

extensions = cythonize(
    [Extension(".".join(path.parts), [f"{path}.py"], extra_compile_args=FLAGS) for path in HOT], nthreads=0
)
for extension in extensions:
    extension.optional = True  # cythonize forgets it


class InstallGuides(Distribution().get_command_class("install_data")):
    """Install the man pages and the completions, which are made now: they say what the parser of this version takes."""

    def run(self) -> None:
        """Make them, and install each file where it is below share."""
        made = Path(self.get_finalized_command("build").build_temp, "guides")
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([sys.executable, "tools/guides.py", made], check=True)
        files = [path for path in sorted(made.rglob("*")) if path.is_file()]
        self.data_files = [(str(path.parent.relative_to(made)), [str(path)]) for path in files]
        super().run()


setup(
    ext_modules=extensions,
    cmdclass={"install_data": InstallGuides},
    data_files=[("share", [])],  # without any, the command would not be run
)
