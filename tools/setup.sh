#!/bin/sh
# Make the development environment in $1: pinned packages, and sigtrace itself, compiled where a C compiler is.
set -eu
venv=$1
python=${PYTHON:-python3}
sh tools/install.sh setup

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "sigtrace needs Python 3.11 or later; $python is $("$python" -V 2>&1). Name another: make PYTHON=python3.12" >&2
    exit 1
}

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip -qq --disable-pip-version-check"
$pip install -r requirements-dev.txt
# A path, not a finder: that would take as long at each start of Python as Python itself.
$pip install --no-build-isolation --no-deps --config-settings editable_mode=compat -e .
