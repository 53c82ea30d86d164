"""The processor, and its instruction sets that decide how fast a network runs."""

from __future__ import annotations

import platform
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def processor() -> str:
    """The name of the processor."""
    return _cpu_field("model name") or platform.processor() or platform.machine()


def processor_features() -> tuple[str, ...]:
    """The instruction sets of the processor among FEATURES; empty on systems other than Linux."""
    flags = _cpu_field("flags").split()
    return tuple(name for name in FEATURES if name in flags)


def _cpu_field(field: str) -> str:
    """A field of /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")
