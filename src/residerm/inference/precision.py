"""Choose the precision of arithmetic by the hardware."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_EXACT, _EXACT_IN_WORDS = "ieee", "highest"
_lock = threading.Lock()
_inside = 0  # blocks of `exact_float32` that are running, in any thread
_before = list[str]()


@contextmanager
def exact_float32() -> Iterator[None]:
    """float32 in full while the block runs, also where PyTorch or its user would allow TF32 or bf16 in its place.

    PyTorch's convolutions on CUDA take TF32 by default, which moves a logit by up to 0.001. The setting is one for the
    whole process: the first thread to come changes it, and the last one to go restores it.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _before[:] = [_matmul_in_words(), *(one.fp32_precision for one in _settings())]
            _set([_EXACT_IN_WORDS, *(_EXACT for _ in _settings())])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _set(_before)


def _settings() -> list[Any]:
    """Where PyTorch keeps what it may take in the place of float32, on CUDA and on the CPU."""
    import torch

    kept: Any = torch.backends
    return [kept.cuda.matmul, kept.cudnn.conv, kept.mkldnn.matmul, kept.mkldnn.conv]


def _matmul_in_words() -> str:
    """PyTorch's older setting, which must agree with the newer ones where a product is computed."""
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # it does not agree: the user has set the newer ones, and never this one
        return _EXACT_IN_WORDS


def _set(values: Sequence[str]) -> None:
    import torch

    torch.set_float32_matmul_precision(values[0])  # sets some of the newer ones too
    for one, value in zip(_settings(), values[1:], strict=True):
        one.fp32_precision = value


def choose_precision(asked: str, accelerator: str) -> str:
    """The given precision; for `auto`, bf16 if the hardware supports it, else float32."""
    if asked != "auto":
        return asked
    import torch

    able = torch.cuda.is_bf16_supported() if accelerator == "cuda" else cpu_has_bf16()
    return "bf16" if able else "float32"


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; if not, bf16 is slower than float32."""
    import torch

    flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if flags:
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16"))
    return bool(torch.cpu._is_avx512_bf16_supported())
