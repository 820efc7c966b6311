#!/bin/sh
# Fuzz each target of tests/fuzz for $1 runs, in an environment of its own, .venv-fuzz. What is found stays in .fuzz.
# Where clang is, what sigtrace compiles is guided by clang's branches, and read again under the address sanitizer.
set -e
cd "$(dirname "$0")/.."
if [ ! -e .venv-fuzz/ready ] || [ "$0" -nt .venv-fuzz/ready ]; then
    "${PYTHON:-python3}" -m venv .venv-fuzz
    .venv-fuzz/bin/pip -qq --disable-pip-version-check install -c requirements-dev.txt \
        atheris==3.0.0 cython setuptools pyarrow pandas narwhals duckdb rich
    touch .venv-fuzz/ready
fi
python=.venv-fuzz/bin/python
# A session is written and read at each run: a thousandth takes as long.
$python tests/fuzz/fuzz.py session "$((($1 + 999) / 1000))" .fuzz
if ! command -v clang >/dev/null; then
    echo "no clang, so the interpreted modules are fuzzed, a hundredth as often, and none under the address sanitizer"
    for target in log rows; do
        $python tests/fuzz/fuzz.py "$target" "$((($1 + 99) / 100))" .fuzz
    done
    exit
fi

of_python() { $python -c "import atheris, sysconfig; print($1)" 2>/dev/null; }
headers=$(of_python 'sysconfig.get_path("include")')
suffix=$(of_python 'sysconfig.get_config_var("EXT_SUFFIX")')
atheris=$(of_python 'atheris.path()')

# The modules, compiled into .fuzz/$1 with the flags that follow.
compile() (
    compiled=.fuzz/$1
    shift
    rm -rf "$compiled"
    mkdir -p "$compiled"
    cp -r sigtrace "$compiled"
    find "$compiled" \( -name '*.so' -o -name __pycache__ \) -prune -exec rm -rf {} +
    $python tests/fuzz/limits.py "$compiled/sigtrace"
    cd "$compiled"
    for types in $(find sigtrace -name '*.pxd'); do
        module=${types%.pxd}
        ../../.venv-fuzz/bin/cython -3 "$module.py" -o "$module.c"
        clang -c -fPIC -g -w -fno-omit-frame-pointer "$@" "-I$headers" "$module.c" -o "$module.o"
        clang -shared "$module.o" -o "$module$suffix"
    done
)
compile guided -O2 -fsanitize=fuzzer-no-link
compile sanitized -O1 -fsanitize=address,fuzzer-no-link
clang -shared -o .fuzz/fuzzer.so -Wl,--whole-archive "$atheris/libclang_rt.fuzzer_no_main.a" -Wl,--no-whole-archive -lstdc++

# What Python still holds at its end is no leak.
export ASAN_OPTIONS=detect_leaks=0:malloc_context_size=0:quarantine_size_mb=1
sanitizer=$atheris/asan_with_fuzzer.so
for target in scan log rows; do
    LD_PRELOAD=$PWD/.fuzz/fuzzer.so $python tests/fuzz/fuzz.py "$target" "$1" .fuzz .fuzz/guided
done
# Python's own allocator hides small objects from the address sanitizer. The target scan has only large ones; for the
# others each object is one of the sanitizer's, which takes ten times as long.
LD_PRELOAD=$sanitizer $python tests/fuzz/fuzz.py scan "$((($1 + 9) / 10))" .fuzz .fuzz/sanitized
for target in log rows; do
    LD_PRELOAD=$sanitizer PYTHONMALLOC=malloc $python tests/fuzz/fuzz.py "$target" "$((($1 + 99) / 100))" .fuzz .fuzz/sanitized
done
LD_PRELOAD=$sanitizer PYTHONMALLOC=malloc $python tests/fuzz/kept.py .fuzz .fuzz/sanitized
