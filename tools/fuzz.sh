#!/bin/sh
# Fuzz each target of tests/fuzz for $1 runs, in an environment of its own, .venv-fuzz. What is found stays in .fuzz.
# Where clang is, the compiled parser is fuzzed as well, under its address sanitizer.
set -e
cd "$(dirname "$0")/.."
if [ ! -e .venv-fuzz/ready ] || [ "$0" -nt .venv-fuzz/ready ]; then
    "${PYTHON:-python3}" -m venv .venv-fuzz
    .venv-fuzz/bin/pip -qq --disable-pip-version-check install -c requirements-dev.txt \
        atheris==3.0.0 cython setuptools pyarrow pandas narwhals duckdb rich
    touch .venv-fuzz/ready
fi
for target in log rows; do
    .venv-fuzz/bin/python tests/fuzz/fuzz.py "$target" "$1" .fuzz
done
# A session is written and read at each run: a hundredth takes as long.
.venv-fuzz/bin/python tests/fuzz/fuzz.py session "$((($1 + 99) / 100))" .fuzz

if ! command -v clang >/dev/null; then
    echo "no clang, so nothing is fuzzed under the address sanitizer"
    exit
fi
compiled=.fuzz/compiled
rm -rf "$compiled"
mkdir -p "$compiled"
cp -r sigtrace "$compiled"
find "$compiled" \( -name '*.so' -o -name __pycache__ \) -prune -exec rm -rf {} +
of_python() { .venv-fuzz/bin/python -c "import atheris, sysconfig; print($1)" 2>/dev/null; }
headers=$(of_python 'sysconfig.get_path("include")')
suffix=$(of_python 'sysconfig.get_config_var("EXT_SUFFIX")')
for types in $(cd "$compiled" && find sigtrace -name '*.pxd'); do
    module=${types%.pxd}
    (
        cd "$compiled"
        ../../.venv-fuzz/bin/cython -3 "$module.py" -o "$module.c"
        clang -c -fPIC -g -O1 -w -fno-omit-frame-pointer -fsanitize=address,fuzzer-no-link "-I$headers" "$module.c" \
            -o "$module.o"
        clang -shared "$module.o" -o "$module$suffix"
    )
done
sanitizer=$(of_python 'atheris.path()')/asan_with_fuzzer.so
# What Python still holds at its end is no leak.
LD_PRELOAD=$sanitizer ASAN_OPTIONS=detect_leaks=0:malloc_context_size=1:quarantine_size_mb=8 PYTHONMALLOC=malloc \
    .venv-fuzz/bin/python tests/fuzz/fuzz.py scan "$1" .fuzz "$compiled"
