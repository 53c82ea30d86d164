"""How fast networks run in each runtime and precision, against PyTorch as it is: `bench_inference`."""

from residerm.inference.bench.measure import bench_inference
from residerm.inference.bench.speeds import EAGER, Case, Speeds

__all__ = ["EAGER", "Case", "Speeds", "bench_inference"]
