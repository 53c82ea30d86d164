"""The speed of networks in each runtime and precision, relative to eager PyTorch: `bench_inference`."""

from residerm.inference.bench.measure import bench_inference
from residerm.inference.bench.speeds import EAGER, CaseSpeeds, Speeds

__all__ = ["EAGER", "CaseSpeeds", "Speeds", "bench_inference"]
