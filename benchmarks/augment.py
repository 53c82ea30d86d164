"""The cost of augmentation: milliseconds for a batch at 64 px, and the share of a ResNet-50 training step at 224 px.

    python benchmarks/augment.py [--batch 64] [--rounds 7] [--json]

All operations are enabled at their default strength. The training steps (forward, backward, SGD) run on tensors in
memory, channels-last, in float32 and with bfloat16 autocast. Each round measures ten augmentations of each size and one
step of each precision in alternation, so that changes of the machine's speed affect all of them. The first round is a
warm-up.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import timm
import torch
import torch.nn.functional as F

from residerm.config import AugmentOptions
from residerm.data.loading.augment import augment

Job = Callable[[], object]


def main() -> None:
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device, batch = torch.device(arguments.device), arguments.batch
    jobs = {  # calls in a round, and the function
        "augment 64 px": (10, augmentation(64, batch, device)),
        "augment 224 px": (10, augmentation(224, batch, device)),
        "step 224 px float32": (1, training_step(224, batch, device, torch.float32)),
        "step 224 px bfloat16": (1, training_step(224, batch, device, torch.bfloat16)),
    }
    milliseconds = measure(jobs, arguments.rounds, device)
    if arguments.json:
        print(json.dumps({**conditions(batch, device), "milliseconds": milliseconds}, indent=2))
    else:
        print_table(conditions(batch, device), milliseconds)


def augmentation(size: int, batch: int, device: torch.device) -> Job:
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    options = AugmentOptions()
    return lambda: augment(images, options, seed=0, epoch=0, step=0)


def training_step(size: int, batch: int, device: torch.device, precision: torch.dtype) -> Job:
    model = timm.create_model("resnet50", num_classes=7).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 7, (batch,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    return step


def measure(jobs: dict[str, tuple[int, Job]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    milliseconds: dict[str, list[float]] = {name: [] for name in jobs}
    for counted in [False] + [True] * rounds:
        for name, (calls, job) in jobs.items():
            times = [elapsed(job, device) for _ in range(calls)]
            milliseconds[name] += times * counted
    return milliseconds


def elapsed(job: Job, device: torch.device) -> float:
    start = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - start)


def conditions(batch: int, device: torch.device) -> dict[str, object]:
    """The conditions of the measurement."""
    return {
        "batch": batch,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": version("timm"),
    }


def print_table(conditions: dict[str, object], milliseconds: dict[str, list[float]]) -> None:
    print(", ".join(f"{name} {value}" for name, value in conditions.items()))
    median = {name: statistics.median(times) for name, times in milliseconds.items()}
    for name, times in milliseconds.items():
        print(f"{name:<20} {median[name]:9.2f} ms, median of {len(times)} ({min(times):.2f} to {max(times):.2f})")
    for precision in ("float32", "bfloat16"):
        share = median["augment 224 px"] / median[f"step 224 px {precision}"]
        print(f"augmentation at 224 px takes {share:.1%} of the {precision} step")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="images in a batch (default: 64)")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each job (default: 7)")
    parser.add_argument("--threads", type=int, help="torch's threads (default: chosen by torch)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
