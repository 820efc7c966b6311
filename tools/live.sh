#!/bin/sh
# As root, have what recording needs: python3-bpfcc (PyPI's bcc is another thing) and tracefs. Elsewhere do nothing:
# what is missing then, `sigtrace doctor` says.
[ "$(id -u)" = 0 ] || exit 0
sh "$(dirname "$0")/install.sh" recording
if ! [ -e /sys/kernel/tracing/trace_pipe ] && [ -d /sys/kernel/tracing ]; then
    echo "Mounting tracefs on /sys/kernel/tracing, for recording." >&2
    mount -t tracefs tracefs /sys/kernel/tracing || echo "That failed; recording will say what is missing." >&2
fi
exit 0
