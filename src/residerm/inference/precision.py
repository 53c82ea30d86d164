"""The precision of arithmetic: what is asked for, as far as the hardware has it."""

from __future__ import annotations


def choose_precision(asked: str, accelerator: str) -> str:
    """bf16 where the hardware computes it and nothing else is asked for."""
    if asked != "auto":
        return asked
    import torch

    able = torch.cuda.is_bf16_supported() if accelerator == "cuda" else cpu_has_bf16()
    return "bf16" if able else "float32"


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware: where it does not, bf16 is slower than float32."""
    import torch

    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if flags:
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16"))
    return bool(torch.cpu._is_avx512_bf16_supported())
