"""Choose the devices, processes and precision of a training."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import SyncBatchNorm

from residerm.config import TrainOptions
from residerm.errors import UsageError
from residerm.inference.precision import choose_precision

Module = TypeVar("Module", bound=nn.Module)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def launch(options: TrainOptions) -> Fabric:
    """Launch Fabric; with several processes, this starts the others, unless torchrun has started them."""
    under_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    world = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if under_torchrun else options.devices
    accelerator = choose_accelerator(world)
    for name in ("lightning_fabric", "lightning.fabric"):  # precision and processes are reported by residerm itself
        logging.getLogger(f"{name}.utilities.rank_zero").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=accelerator,
        devices=world,
        num_nodes=int(os.environ.get("WORLD_SIZE", "1")) // world if under_torchrun else 1,
        strategy="ddp" if world > 1 or under_torchrun else "auto",
        precision="bf16-mixed" if choose_precision(options.precision, accelerator) == "bf16" else "32-true",
    )
    fabric.launch()
    keep_freed_memory()
    return fabric


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed tensors for the next step.

    glibc returns large blocks to the system at once. Allocating them again causes a fault for every page, which took a
    fifth of a training step on a virtual machine. Other C libraries are not changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    if not mallopt(_M_MMAP_THRESHOLD, 2**30):
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # the maximum of glibc before 2.35


def synchronised(model: Module, fabric: Fabric) -> Module:
    """Convert BatchNorm to use the statistics of all processes, which is only supported on GPUs."""
    if fabric.world_size == 1 or fabric.device.type == "cpu":
        return model
    converted: Module = SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted


def wait_for(device: torch.device) -> None:
    """Wait until a device has finished its work, before a time is measured."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def choose_accelerator(processes: int) -> str:
    """CUDA if available, else the CPU; an error if there are more processes than devices or cores."""
    if torch.cuda.is_available():
        if processes > torch.cuda.device_count():
            raise UsageError(f"`devices={processes}`: this machine has {torch.cuda.device_count()} CUDA devices")
        return "cuda"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if processes > cores:
        raise UsageError(f"`devices={processes}`: this machine has no CUDA device and {cores} cores")
    return "cpu"
