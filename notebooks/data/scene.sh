#!/bin/sh
# A small night in a data centre: a few killers and their victims, each a copy of sleep or sh under a name of its own.
# Record your own: sudo sigtrace record -o scene.parquet -- sh scene.sh
# Only processes that the scene starts are signalled.
set -u
ulimit -c 0
stage=$(mktemp -d /tmp/scene-XXXXXX)
trap 'rm -r "$stage"' EXIT
for name in web-1 web-2 'payroll export' indexer job-1 job-2 job-3 backup; do cp /bin/sleep "$stage/$name"; done
for name in deployer watchdog janitor cache; do cp /bin/sh "$stage/$name"; done

"$stage/web-1" 30 & web1=$!
(trap '' TERM; exec "$stage/web-2" 30) & web2=$!
"$stage/payroll export" 30 & payroll=$!
"$stage/indexer" 30 & indexer=$!
setsid sh -c '"$1/job-1" 30 & "$1/job-2" 30 & exec "$1/job-3" 30' sh "$stage" & jobs=$!
sleep 0.2

# A deploy: TERM, a grace, KILL for the one that ignores it.
"$stage/deployer" -c 'kill -TERM "$1" "$2"; sleep 0.3; kill -0 "$1"; kill -KILL "$2"' deployer $web1 $web2 2>/dev/null &
# A watchdog that looks, looks again, and gives up on the indexer.
"$stage/watchdog" -c 'kill -0 "$1"; sleep 0.2; kill -0 "$1"; sleep 0.2; kill -KILL "$1"' watchdog $indexer &
# A night job with a limit of its own.
timeout 0.35 "$stage/backup" 30
# A cache that gives up by itself, and a renderer with a fault.
"$stage/cache" -c 'sleep 0.1; kill -ABRT $$'
python3 -c '
import ctypes, pathlib
pathlib.Path("/proc/self/comm").write_text("renderer")
ctypes.string_at(0)'
# The janitor ends a whole group, and the one it took for idle.
"$stage/janitor" -c 'sleep 0.2; kill -s TERM -- "-$1"; kill -HUP "$2"' janitor $jobs $payroll
wait
true
