"""Benchmarks of the service, measured from a second process on loopback: `residerm bench --serve MODEL`.

| file | contents |
|---|---|
| `measure` | the measurements, and their ratios |
| `target` | the service in its own process: start, memory, end |
| `load` | the client process: requests one after another, or at a given rate |
| `hostile` | random malformed requests |
"""

from residerm.service.bench.measure import ServiceFigures, bench_service

__all__ = ["ServiceFigures", "bench_service"]
