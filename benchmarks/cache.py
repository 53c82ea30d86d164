"""Time of decoding an archive and of opening its cache, and private memory compared with ten times the rows.

    python benchmarks/cache.py PATH [--size 64] [--times 10] [--runs 3] [--json]

Each measurement runs in its own process. Its parent samples RssAnon, summed over the process and its children, every
five milliseconds. Ten times the rows means the same archive in HAM10000's layout, with every image under ten ids.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

MEASURED = """
import sys, time
from pathlib import Path
from residerm.config import PixelSpec
from residerm.data.archives import open_archive
from residerm.data.loading.cache import open_cache
start = time.perf_counter()
records = open_archive(sys.argv[1])
opened = time.perf_counter()
open_cache(records, PixelSpec(size=int(sys.argv[2])), folder=Path(sys.argv[3]))
print(opened - start, time.perf_counter() - start)
"""


def measure(path: Path, size: int, cache: Path) -> dict[str, float]:
    """Open an archive and its cache in a new process; seconds and the peak of its private memory in MB."""
    command = [sys.executable, "-c", MEASURED, str(path), str(size), str(cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, private_memory(process.pid))
        time.sleep(0.005)
    archive, everything = (float(value) for value in process.communicate()[0].split())
    return {"archive_s": archive, "total_s": everything, "private_mb": peak / 1024}


def private_memory(process: int) -> int:
    """RssAnon in kB, summed over a process and all its children."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
    return own + sum(private_memory(int(child)) for child in children)


def multiply(path: Path, times: int, folder: Path) -> Path:
    """The same archive with every image, mask and row under several ids."""
    for source in sorted(path.glob("*.zip")):
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(folder / source.name, "w") as new:
            for name in old.namelist():
                for copy in range(times):
                    new.writestr(renamed(name, copy), old.read(name))
    with (
        (path / "HAM10000_metadata.csv").open() as old_table,
        (folder / "HAM10000_metadata.csv").open("w") as new_table,
    ):
        rows = csv.DictReader(old_table)
        writer = csv.DictWriter(new_table, rows.fieldnames or [])
        writer.writeheader()
        for row in rows:
            for copy in range(times):
                ids = {column: renamed(row[column], copy) for column in ("image_id", "lesion_id")}
                writer.writerow({**row, **ids})
    return folder


def renamed(name: str, copy: int) -> str:
    """The id, or the name of a file, for one of the copies."""
    return re.sub(r"(ISIC|SYNTH|HAM|SYN)_(?=\d)", rf"\1_{copy:02d}", name)


def measure_both(path: Path, size: int, runs: int) -> dict[str, dict[str, float]]:
    """First decode and opening, medians over runs that each start from an empty cache."""
    first, again = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            first.append(measure(path, size, Path(cache)))
            again.append(measure(path, size, Path(cache)))
    return {"first decode": medians(first), "opening": medians(again)}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result: dict[str, dict[str, dict[str, float]]] = {"1": measure_both(options.path, options.size, options.runs)}
    with tempfile.TemporaryDirectory() as folder:
        larger = multiply(options.path, options.times, Path(folder))
        result[str(options.times)] = measure_both(larger, options.size, 1)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{options.path} at {options.size} px, {len(os.sched_getaffinity(0))} cores, medians of {options.runs} runs")
    for times, phases in result.items():
        for phase, run in phases.items():
            growth = run["private_mb"] / result["1"][phase]["private_mb"] - 1
            print(f"{times:>3} x rows  {phase:13} {run['total_s']:7.2f} s (archive: {run['archive_s']:.2f} s)"
                  f"  private memory {run['private_mb']:6.1f} MB ({growth:+.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
