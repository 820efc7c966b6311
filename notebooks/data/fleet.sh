#!/bin/sh
# A few seconds on a host of a small fleet: `sh fleet.sh web`, `leaking web`, `db` or `overcommitted db`.
# Record your own: sudo sigtrace record -o 'fleet/host={host}/date={date}/{time}.parquet' -- sh fleet.sh web
# Only processes that the scene starts are signalled. It needs root: for /opt/fleet, where its programs are, and for the
# control group of `overcommitted db`. Both are removed at the end.
set -u
ulimit -c 0
stage=/opt/fleet
mkdir "$stage" || exit
trap 'rm -r "$stage"' EXIT
for name in runsv 'health check' logrotate 'memory watch' operator; do cp /bin/sh "$stage/$name"; done
for name in worker postgres analytics; do cp /usr/bin/perl "$stage/$name"; done
cp /bin/sleep "$stage/backup"
export stage serve='$SIG{HUP} = sub {}; $SIG{TERM} = sub { exit }; while (1) { sleep 9 }'

# A service: whenever the process ends, the supervisor starts it again, $2 times in all.
service() {
    "$stage/runsv" -c 'for n in $(seq "$3"); do "$stage/$2" -e "$4" & echo $! > "$stage/$1.pid"; wait $!; done' \
        runsv "$1" "$2" "$3" "$4" &
}
# What every host does: look after each service, and a backup with a limit of its own.
routine() {
    "$stage/health check" -c '
        for look in 1 2 3; do sleep 0.3; for file in "$stage"/*.pid; do read -r pid < "$file"; kill -0 "$pid"; done; done
        ' 2>/dev/null &
    timeout 0.5 "$stage/backup" 30 &
}
# Ask the process of a service to do something.
tell() {
    "$stage/$1" -c 'read -r pid < "$stage/$2.pid"; kill -s "$1" "$pid"' "$1" "$2" "$3"
}

case $1 in
web)
    for n in 1 2 3; do service web-$n worker 2 "$serve"; done
    sleep 0.2
    routine
    sleep 0.6
    for n in 1 2 3; do tell logrotate HUP web-$n; done
    # A deploy, one after the other.
    for n in 1 2 3; do tell operator TERM web-$n; sleep 0.2; done
    for n in 1 2 3; do tell operator TERM web-$n; done
    ;;
'leaking web')
    for n in 1 2; do service web-$n worker 9 "$serve"; done
    service web-3 worker 1 "$serve"
    sleep 0.2
    routine
    # A watchdog with a limit that the new version does not keep: each worker is killed, started, and killed again.
    for round in 1 2 3 4 5 6 7 8; do
        for n in 1 2; do tell 'memory watch' KILL web-$n; sleep 0.1; done
    done
    tell logrotate HUP web-3
    for n in 1 2 3; do tell operator TERM web-$n; done
    ;;
db)
    service db postgres 1 "$serve"
    sleep 0.2
    routine
    sleep 0.8
    tell logrotate HUP db
    tell operator TERM db
    ;;
'overcommitted db')
    memory=/sys/fs/cgroup
    [ -d "$memory/memory" ] && memory=$memory/memory
    mkdir "$memory/analytics" || exit
    limit=memory.max
    [ -e "$memory/analytics/$limit" ] || limit=memory.limit_in_bytes
    echo 24M > "$memory/analytics/$limit"
    service db postgres 1 '$SIG{TERM} = "IGNORE"; while (1) { sleep 9 }'
    sleep 0.2
    routine
    # A query that wants more than its control group has.
    sh -c 'echo $$ > "$1/analytics/cgroup.procs"; exec "$stage/analytics" -e "my \$rows = q(x) x (1 << 28)"' sh "$memory"
    sleep 0.4
    # A shutdown: TERM, a grace, KILL for the one that ignores it.
    tell operator TERM db
    sleep 0.5
    tell operator KILL db
    rmdir "$memory/analytics"
    ;;
esac
wait
true
