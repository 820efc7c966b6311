#!/bin/sh
# Make in $1 an environment of what sigtrace needs, not of sigtrace: the oldest or the newest versions ($2) that
# pyproject.toml admits, and pytest. It stays until these, pytest's or this file change; `make clean` removes it.
set -eu
venv=$1
which=$2
python=${PYTHON:-python3}

wanted=$("$python" - "$which" <<'END'
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
for one in project["dependencies"] + extras["interactive"] + extras["notebook"]:
    print(one.replace(">=", "==") if sys.argv[1] == "oldest" else one)
END
)
if [ "$which" = oldest ]; then
    wanted="$wanted pyparsing<3.3"  # matplotlib 3.9 calls what later ones warn of
fi
tests=$(grep -E '^(hypothesis|polars|pytest)==' requirements-dev.txt)
made=$(echo "$wanted $tests" | cat - tools/dependencies.sh | cksum)
[ "$(cat "$venv/made" 2>/dev/null)" != "$made" ] || exit 0

echo "Installing the $which versions that sigtrace admits in $venv." >&2
rm -rf "$venv"
"$python" -m venv "$venv"
# A wheel or nothing: an old version for a new Python would be compiled for an hour.
pip="$venv/bin/python -m pip -qq --disable-pip-version-check install --only-binary :all:"
$pip $wanted $tests || {
    [ "$which" = oldest ]
    echo "Not all of them have a wheel for this Python: taking the next that have." >&2
    $pip $(echo "$wanted" | sed 's/==/~=/') $tests
}
echo "$made" >"$venv/made"
