"""The memory of decoding large images is returned to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: images of 24 megapixels in threads, among small ones; prints the growth of its memory in MB.
_SCRIPT = """
import io, re, sys
from pathlib import Path
from PIL import Image
import colour_service
from residerm.service.findings import Finder, Question
from residerm.service.memory import return_freed_memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

def image(width, height):
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 60, 60)).save(stream, "PNG")
    return Question(stream.getvalue())

if sys.argv[1] == "fixed":
    return_freed_memory()
finder = Finder(colour_service.ColourPredictor(), 50_000_000)
small = image(600, 450)
finder([small] * 16)
before = resident()
for side in (2000, 3000, 4000, 4900):
    large = image(side, side)
    for _ in range(2):
        finder([large, small, large, small, large, small])
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
def test_memory_of_large_images_is_returned() -> None:
    support = Path(__file__).parents[1] / "support"
    program = f"import sys; sys.path.insert(0, {str(support)!r})\n{_SCRIPT}"
    done = subprocess.run([sys.executable, "-c", program, "fixed"], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 40
