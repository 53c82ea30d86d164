"""Every command as a Python function, with the command's options as keyword arguments.

    import residerm

    run = residerm.train("HAM10000", model="resnet18", size=32, epochs=5)
    print(residerm.evaluate(run).scores.headline["macro_auc"])

Functions are named after their commands, without `data`: `residerm data split` is `residerm.split`. Those of `theory`
keep the prefix (`residerm.theory_flow`), and those that list something begin with `list_` (`residerm.list_runs`).

Unknown options and invalid values raise `UsageError`. Nothing is printed; pass a `residerm.progress.Progress` to
follow the progress.
"""

from __future__ import annotations

from residerm.commands.archives import (
    check,
    clear_caches,
    fetch,
    list_archives,
    list_caches,
    preview,
    split,
    stats,
    synth,
)
from residerm.commands.benchmarks import bench, bench_inference, bench_service
from residerm.commands.models import calibrate, evaluate, explain, export, predict, serve
from residerm.commands.theory import theory_check, theory_depth, theory_flow
from residerm.commands.training import (
    demo,
    list_models,
    list_runs,
    resume,
    train,
    train_folds,
    train_members,
)

# Each command with its functions, in the order of docs/python.md, where later examples use the results of earlier ones.
COMMANDS: dict[str, tuple[str, ...]] = {
    "demo": ("demo",),
    "data synth": ("synth",),
    "data list": ("list_archives",),
    "data fetch": ("fetch",),
    "data check": ("check",),
    "data stats": ("stats",),
    "data split": ("split",),
    "data preview": ("preview",),
    "models": ("list_models",),
    "train": ("train", "resume", "train_folds", "train_members"),
    "runs": ("list_runs",),
    "evaluate": ("evaluate",),
    "predict": ("predict",),
    "explain": ("explain",),
    "calibrate": ("calibrate",),
    "export": ("export",),
    "serve": ("serve",),
    "bench": ("bench", "bench_inference", "bench_service"),
    "data cache": ("list_caches", "clear_caches"),
    "theory check": ("theory_check",),
    "theory flow": ("theory_flow",),
    "theory depth": ("theory_depth",),
}

__all__ = [
    "COMMANDS",
    "bench",
    "bench_inference",
    "bench_service",
    "calibrate",
    "check",
    "clear_caches",
    "demo",
    "evaluate",
    "explain",
    "export",
    "fetch",
    "list_archives",
    "list_caches",
    "list_models",
    "list_runs",
    "predict",
    "preview",
    "resume",
    "serve",
    "split",
    "stats",
    "synth",
    "theory_check",
    "theory_depth",
    "theory_flow",
    "train",
    "train_folds",
    "train_members",
]
