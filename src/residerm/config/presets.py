"""Named sets of options: what `preset` stands for."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # The paper: Adam with rate 0.01, 80 to 20 by image, 20 epochs; its augmentation is not stated.
    "paper": {
        "optimizer": "adam",
        "rate": 0.01,
        "epochs": 20,
        "schedule": "constant",
        "class_weight_power": 0.0,
        "weight_decay": 0.0,
        "ema": 0.0,
        "clip": 0.0,
        "split": "random",
        "augment": False,
    },
}
