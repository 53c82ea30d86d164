"""How fast and how steady the service is, measured from a second process on loopback: `residerm bench --serve MODEL`.

| file | what it is |
|---|---|
| `measure` | what is measured, and the ratios within one run |
| `target` | the service as a process of its own: start, memory, end |
| `load` | the second process: requests one after another, as fast as they are answered, or at a rate |
| `hostile` | requests that are wrong in every way that a seed can draw |
"""

from residerm.service.bench.measure import ServiceFigures, bench_service

__all__ = ["ServiceFigures", "bench_service"]
