"""Unit: the flight recorder as a service of systemd, with the rights that it needs and no more."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

NAME = "sigtrace.service"

# Why so: StateDirectory makes /var/lib/sigtrace, which the group may read. The capabilities are for loading the
# programs and for seeing what runs, and the recorder gives them away then. Debian's kernels ask for CAP_SYS_ADMIN
# instead of CAP_PERFMON (perf_event_paranoid=3), and without it another recorder's map cannot be found.
# ProtectKernelTunables is out, for tracefs is below /sys. MemoryMax is for the compiler, 200 MB for some seconds; a
# recorder has 30 MB. OOMScoreAdjust: the OOM killer should not begin with the witness.
_TEXT = """\
[Unit]
Description=sigtrace, the flight recorder: who killed whom, with what
Wants=sys-kernel-tracing.mount
After=sys-kernel-tracing.mount

[Service]
Type=notify
ExecStart={command}
Restart=always
RestartSec=2
TimeoutStartSec=5min
WatchdogSec=60
TimeoutStopSec=60
Group={group}
StateDirectory=sigtrace
StateDirectoryMode=2750
UMask=0027
WorkingDirectory=/

Nice=5
CPUQuota=100%
MemoryMax=512M
OOMScoreAdjust=-500
LimitMEMLOCK=infinity

CapabilityBoundingSet=CAP_BPF CAP_PERFMON CAP_SYS_ADMIN CAP_SYS_PTRACE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateNetwork=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service bpf perf_event_open

[Install]
WantedBy=multi-user.target
"""


def text(options: list[str], group: str, command: list[str] | None = None) -> str:
    """Return the unit that records with these options of `record --flight`; `command` is what runs sigtrace."""
    words = [*(command or _this_one()), "record", "--flight", *options]
    return _TEXT.format(command=shlex.join(words).replace("%", "%%"), group=group)


def _this_one() -> list[str]:
    script = Path(sys.executable).with_name("sigtrace")
    return [str(script)] if script.exists() else [sys.executable, "-m", "sigtrace"]
