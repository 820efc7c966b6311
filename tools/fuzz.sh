#!/bin/sh
# Fuzz each target of tests/fuzz for $1 runs, in an environment of its own, .venv-fuzz. What is found stays in .fuzz.
set -e
cd "$(dirname "$0")/.."
if [ ! -e .venv-fuzz/ready ]; then
    "${PYTHON:-python3}" -m venv .venv-fuzz
    .venv-fuzz/bin/pip -qq --disable-pip-version-check install -c requirements-dev.txt \
        atheris==3.0.0 pyarrow pandas narwhals duckdb rich
    touch .venv-fuzz/ready
fi
for target in log rows; do
    .venv-fuzz/bin/python tests/fuzz/fuzz.py "$target" "$1" .fuzz
done
