"""The named sets of options that `preset` selects."""

from __future__ import annotations

from residerm.config.base import FlatOptions

PRESETS: dict[str, FlatOptions] = {
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
    # Fine-tuning from ImageNet weights that are installed as a package; docs/transfer.md lists the alternatives that
    # were compared. On CPUs, depthwise convolutions are slower in bf16 than in float32.
    "transfer": {
        "model": "tf_efficientnet_lite0",
        "pretrained": True,
        "size": 160,
        "grow_from": 64,
        "epochs": 10,
        "rate": 1e-3,
        "class_weight_power": 0.25,
        "ema": 0.99,
        "scale": 0.3,
        "brightness": 0.1,
        "contrast": 0.1,
        "saturation": 0.1,
        "hue": 0.02,
        "erasing": 0.3,
        "precision": "float32",
    },
}
