"""BPF: C sources that become programs in the kernel."""

from sigtrace.capture.bpf.compiler import PRINTK, import_bcc, switchable, traceable
from sigtrace.capture.bpf.handover import Loader, Programs, loading
from sigtrace.capture.bpf.source import CONTEXT, PROBE, SHIM, Source, attach_points

__all__ = [
    "CONTEXT",
    "PRINTK",
    "PROBE",
    "SHIM",
    "Loader",
    "Programs",
    "Source",
    "attach_points",
    "import_bcc",
    "loading",
    "switchable",
    "traceable",
]
