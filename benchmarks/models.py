"""The cost of the networks of the source documents: parameters, multiply-adds, and images per second on this machine.

    python benchmarks/models.py [--sizes 32 64 224] [--rounds 3] [--batch-size 16] [--json]

Training is a step (forward, backward, AdamW) on a batch in memory, prediction the forward pass alone; both are
channels-last, and in bf16 if the hardware supports it. Each round measures all networks in alternation. The table shows
the medians of the rounds, because the speed of a machine varies over time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from residerm.config import ModelOptions, TrainOptions
from residerm.errors import UsageError
from residerm.inference.precision import choose_precision
from residerm.models.complexity import measure
from residerm.models.start import build_initial_model
from residerm.training.hardware import wait_for
from residerm.training.recipe import optimizer_for

DOCUMENTS = (
    "logistic", "cnn", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet20", "resnet56",
    "resnet110", "vgg19", "vgg19_bn", "resnext50_32x4d", "densenet121", "efficientnet_b0",
)  # fmt: skip
CLASSES = 7
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def contender(name: str, size: int, batch: int) -> dict[str, Callable[[], None]]:
    """A training step and a prediction of a network."""
    device = DEVICE
    low = choose_precision("auto", device.type) == "bf16"
    model = (
        build_initial_model(ModelOptions(model=name), CLASSES, size)
        .model.to(device)
        .to(memory_format=torch.channels_last)
    )
    optimizer = optimizer_for(model.parameter_groups(), TrainOptions())
    images = (255 * torch.rand(batch, 3, size, size, device=device)).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (batch,), device=device)

    def training() -> None:
        model.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            logits = model(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    def prediction() -> None:
        model.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=low):
            model(images)

    return {"training": training, "prediction": prediction}


def images_a_second(work: Callable[[], None], batch: int) -> float:
    """The speed of one call, after a warm-up call."""
    for _ in range(2):
        wait_for(DEVICE)
        began = time.perf_counter()
        work()
        wait_for(DEVICE)
        seconds = time.perf_counter() - began
    return batch / seconds


def table(sizes: list[int], rounds: int, batch: int) -> list[dict[str, object]]:
    lines = []
    for size in sizes:
        speeds: dict[str, dict[str, list[float]]] = {}
        for _ in range(rounds):
            for name in DOCUMENTS:
                try:
                    works = contender(name, size, batch)
                except UsageError:  # the network does not run on that size
                    continue
                for kind, work in works.items():
                    speeds.setdefault(name, {}).setdefault(kind, []).append(images_a_second(work, batch))
        for name, kinds in speeds.items():
            cost = measure(name, CLASSES, size)
            assert cost is not None
            found = {kind: statistics.median(values) for kind, values in kinds.items()}
            lines.append({"model": name, "size": size, "parameters": cost.parameters,
                          "multiply_adds": cost.multiply_adds, **found})  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = table(options.sizes, options.rounds, options.batch_size)
    if options.json:
        print(json.dumps(lines, indent=2))
        return
    print("| model | px | parameters, M | multiply-adds, M | training images/s | prediction images/s |")
    print("|---|---|---|---|---|---|")
    for line in lines:
        cost = f"{line['parameters'] / 1e6:,.2f} | {line['multiply_adds'] / 1e6:,.1f}"
        print(f"| `{line['model']}` | {line['size']} | {cost} | {line['training']:,.0f} | {line['prediction']:,.0f} |")


if __name__ == "__main__":
    main()
