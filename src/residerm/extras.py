"""Optional packages, and the extra that installs each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from residerm.errors import ResidermError

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "torch": "train", "torchvision": "train", "timm": "train", "lightning_fabric": "train", "safetensors": "train",
        "sklearn": "train", "imblearn": "train", "matplotlib": "train", "huggingface_hub": "train", "onnx": "train",
        "onnxscript": "train", "openvino": "openvino", "nncf": "int8", "fastapi": "serve", "uvicorn": "serve",
        "starlette": "serve", "prometheus_client": "serve", "multipart": "serve", "python_multipart": "serve",
        "pydicom": "dicom", "tensorboard": "tensorboard",
    }
)  # fmt: skip


class MissingExtra(ResidermError):
    """A feature needs a package that is not installed."""


def missing_extra(what: str, extra: str) -> MissingExtra:
    """The error for a feature whose package is not installed."""
    package = f"'residerm[{extra}]'" if extra else "residerm"
    return MissingExtra(f"{what} is not installed: pip install {package}")


def explain_missing(error: ModuleNotFoundError) -> MissingExtra | None:
    """The error for a package that could not be imported; None if it is not an optional one."""
    package = (error.name or "").partition(".")[0]
    return missing_extra(f"this needs {package}, which", EXTRAS[package]) if package in EXTRAS else None
