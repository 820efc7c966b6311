"""Layouts: the headers that lack the CPU, by which the two lines of a call are paired, and what to do about each."""

from __future__ import annotations

REMEDIES = {
    "latency-format": "echo 0 > /sys/kernel/tracing/options/latency-format",
    "verbose": "echo 0 > /sys/kernel/tracing/options/verbose",
    "context-info": "echo 1 > /sys/kernel/tracing/options/context-info",
}
"""The option that makes each layout, and the command that sets it right."""

_HEADERS = {
    "latency-format": rb"\s*.{0,16}-\d+ +\d+\S+ +\d+us\W*: \w+: ",
    "verbose": rb".*\[[0-9a-f]+\] \d+\.\d+ms \(\+\d+\.\d+ms\): \w+: ",
    "context-info": rb"\s*(\w+: )?",
}
_OURS = rb"(bpf_string=)?(PID \d+ \(.*\) sent signal -?\d+|to PID -?\d+, ret = -?\d+)[ \t\r]*$"
_LONGEST = 512  # more than a header and one of our lines


def option_of(line: bytes) -> str | None:
    """Return the option under which one of our lines has such a header; None for any other line."""
    if len(line) > _LONGEST or b"PID " not in line:
        return None
    import re  # most logs have no such line

    for option, header in _HEADERS.items():
        if re.match(header + _OURS, line, re.DOTALL):
            return option
    return None
