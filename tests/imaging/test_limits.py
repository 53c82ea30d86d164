"""Limits on the memory and time of decoding, checked in advance and shared by all threads."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sample_images import encode, make_pixels

from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.imaging import decoding
from residerm.imaging.memory import MOST, Budget

WIDTH, HEIGHT = 2000, 1500
needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")

MEASURE = """
import ctypes, struct, sys
from residerm import imaging
from residerm.config import PixelSpec
from residerm.imaging import decoding, memory

class Watched(memory.Budget):
    def reserved(self, amount):
        self.asked = amount
        return super().reserved(amount)

def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) * 1024

decoding.BUDGET = budget = Watched(10**9)
while size := sys.stdin.buffer.read(8):
    data = sys.stdin.buffer.read(struct.unpack("<Q", size)[0])
    ctypes.CDLL(None).malloc_trim(0)  # what earlier decodes have freed is given back
    open("/proc/self/clear_refs", "w").write("5")  # begin a new peak
    before = status("VmRSS")
    imaging.read(data, PixelSpec(size=64, reduced=False))
    print(status("VmHWM") - before, budget.asked)
"""


def shades(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray((np.add.outer(np.arange(height), np.arange(width)) % 256).astype(np.uint8))


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def forms() -> dict[str, bytes]:
    """One file of every kind that decoders treat differently."""
    grey = shades()
    colour, layer = Image.merge("RGB", [grey] * 3), Image.merge("RGBA", [grey] * 4)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200)
    palette = grey.convert("P")
    fast = {"compress_level": 1}
    return {
        "jpeg": encode(colour, "JPEG"),
        "turned jpeg": encode(colour, "JPEG", exif=turned()),
        "progressive": encode(colour, "JPEG", progressive=True),
        "progressive, colour at full size": encode(colour, "JPEG", progressive=True, subsampling=0),
        "progressive cmyk": encode(colour.convert("CMYK"), "JPEG", progressive=True),
        "grey png": encode(grey, "PNG", **fast),
        "turned png": encode(colour, "PNG", exif=turned(), **fast),
        "transparent png": encode(layer, "PNG", **fast),
        "png with a transparent colour": encode(colour, "PNG", transparency=(1, 2, 3), **fast),
        "png with a transparent palette": encode(palette, "PNG", transparency=3, **fast),
        "16-bit png": encode(deep, "PNG", **fast),
        "16-bit pgm": b"P5 %d %d 65535\n" % deep.size + np.asarray(deep).astype(">u2").tobytes(),
        "16-bit tiff": encode(deep, "TIFF", compression="tiff_lzw"),
        "tiff in one strip": encode(colour, "TIFF", compression="tiff_adobe_deflate", tiffinfo={278: HEIGHT}),
        "transparent tiff": encode(layer, "TIFF", compression="tiff_adobe_deflate"),
        "bmp": encode(colour, "BMP"),
        "transparent gif": encode(palette, "GIF", transparency=3),
        "webp": encode(colour, "WEBP", method=0),
        "lossless webp": encode(layer, "WEBP", lossless=True, method=0, quality=0),
        "animated webp": encode(colour, "WEBP", method=0, save_all=True, append_images=[colour.rotate(180)]),
    }


@needs_proc
def test_reserved_memory_matches_decoding():
    found = forms()
    given = b"".join(struct.pack("<Q", len(data)) + data for data in found.values())
    done = subprocess.run([sys.executable, "-c", MEASURE], input=given, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    for name, line in zip(found, lines, strict=True):
        taken, asked = map(int, line.split())
        assert taken < asked + 6e6, (name, line)
        assert asked < 2.5 * taken + 6e6, (name, line)


def tall_png() -> bytes:
    """One pixel wide and 99,999,999 high: below 100 megapixels, but Pillow needs gigabytes for its rows."""
    header = struct.pack(">IIBBBBB", 1, 99_999_999, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(4_000_000)) for _ in range(100)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def large(mode: str, form: str, size: tuple[int, int] = (9_900, 10_000), **options: object) -> Callable[[], bytes]:
    return lambda: encode(Image.new(mode, size), form, **options)


def progressive(size: tuple[int, int]) -> bytes:
    header = encode(make_pixels(64, 64), "JPEG", progressive=True, subsampling=0)
    frame = header.find(b"\xff\xc2")
    data = header[: frame + 5] + struct.pack(">HH", *size[::-1]) + header[frame + 9 :]
    return data + bytes(size[0] * size[1] // 512)


@needs_proc
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (tall_png, "1x99999999 pixels: a side is longer than the 65,535 pixels allowed"),
        (large("RGB", "WEBP", lossless=True, method=0, quality=0), "more than the 500 MB allowed"),
        (large("RGBA", "PNG", compress_level=1), "more than the 500 MB allowed"),
        (large("P", "PNG", compress_level=1, transparency=0), "more than the 500 MB allowed"),
        (large("I;16", "TIFF", compression="tiff_lzw"), "more than the 500 MB allowed"),
        (large("CMYK", "TIFF", compression="tiff_lzw"), "more than the 500 MB allowed"),
        (lambda: progressive((9_000, 9_000)), "more than the 500 MB allowed"),
    ],
    ids=["tall", "webp", "transparent", "palette", "16-bit", "cmyk", "progressive"],
)
def test_excessive_memory_is_refused_before_allocation(make, reason):
    program = """
import sys
from residerm import imaging
from residerm.config import PixelSpec
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
data = sys.stdin.buffer.read()
before = peak()
try:
    imaging.read(data, PixelSpec(size=64, reduced=False))
except imaging.decoding.ImageError as error:
    print(error)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], input=make(), capture_output=True, check=True)
    message, grown = done.stdout.decode().splitlines()
    assert reason in message
    assert "scale the image down, or leave it out" in message
    assert float(grown) < 30


def test_photograph_of_fifty_megapixels_is_read():
    pixels = imaging.read(encode(Image.new("RGB", (8_660, 5_773), "#804020"), "JPEG"), PixelSpec(size=16))
    assert np.abs(pixels.astype(int) - (128, 64, 32)).max() <= 3


def test_threads_share_the_memory_limit():
    budget, lock = Budget(100), threading.Lock()
    held, most = 0, 0

    def work(amount: int) -> None:
        nonlocal held, most
        with budget.reserved(amount):
            with lock:
                held += amount
                most = max(most, held)
            time.sleep(0.001)
            with lock:
                held -= amount

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, np.random.default_rng(0).integers(1, 101, 200).tolist()))
    assert most <= 100
    assert budget.free == budget.size == 100


def test_decoding_reserves_and_releases_memory(monkeypatch):
    budget = Budget(MOST)
    monkeypatch.setattr(decoding, "BUDGET", budget)
    data = encode(make_pixels(40, 30), "PNG")
    with imaging.decoded(data):
        assert budget.free <= MOST - 40 * 30 * 4
    for bad in (data[: len(data) // 2], encode(Image.new("LAB", (4, 4)), "TIFF")):
        with pytest.raises(ImageError):
            imaging.read(bad, PixelSpec(size=8))
    with pytest.raises(ZeroDivisionError), imaging.decoded(data):
        raise ZeroDivisionError
    assert budget.free == MOST


def with_segments(segment: bytes) -> bytes:
    data = encode(make_pixels(40, 30), "JPEG")
    return data[:2] + segment * (4_000_000 // len(segment)) + data[2:]


def with_chunks() -> bytes:
    data = encode(make_pixels(40, 30), "PNG")
    chunk = bytes(4) + b"prIv" + struct.pack(">I", zlib.crc32(b"prIv"))
    return data[:33] + chunk * 333_333 + data[33:]


def in_scans(count: int) -> bytes:
    first, *scans = encode(make_pixels(40, 30), "JPEG", progressive=True)[:-2].split(b"\xff\xda")
    return b"\xff\xda".join([first, *scans, *scans[-1:] * count]) + b"\xff\xd9"


def rle_bmp(width: int, height: int) -> bytes:
    begin = 14 + 40 + 1024
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 2, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", begin + 2, 0, 0, begin) + info + bytes(1024) + b"\0\1"


SLOW = {
    "fill bytes": lambda: with_segments(b"\xff"),
    "markers alone": lambda: with_segments(b"\xff\xd0"),
    "escaped bytes": lambda: with_segments(b"\xff\0"),
    "empty segments": lambda: with_segments(b"\xff\xfe\0\2"),
    "chunks": with_chunks,
    "scans": lambda: in_scans(200),
    "run lengths": lambda: rle_bmp(2000, 2000),
    "ppm of 200 shades": lambda: b"P6 2000 2000 200\n" + bytes(12_000_000),
    "ppm in text": lambda: b"P3 1000 1000 255\n" + b"#x\n" * 1_000_000,
    "ppm with a long header": lambda: b"P6" + b" " * 4_000_000,
}


@pytest.mark.parametrize("make", SLOW.values(), ids=SLOW)
def test_slow_files_are_refused(make):
    data = make()
    start = time.process_time()
    with pytest.raises(ImageError):
        imaging.read(data, PixelSpec(size=16))
    assert time.process_time() - start < 0.5


def test_usual_numbers_of_scans_and_segments_are_read():
    assert imaging.decode(in_scans(20)).size == (40, 30)
    data = encode(make_pixels(40, 30), "JPEG")
    comments = b"\xff\xfe\0\x04ab" * 1000
    assert imaging.decode(data[:2] + comments + data[2:]).size == (40, 30)


def test_netpbm_header_with_comments():
    for head in (b"P6\n# made by hand\n4 3\n# more\n255\n", b"P6 4\n3\t255\n"):
        assert imaging.decode(head + bytes(36)).size == (4, 3)
    assert imaging.decode(b"P4 8 3\n" + bytes(3)).size == (8, 3)
    with pytest.raises(ImageError, match="a PPM in plain text is not supported; save it as PNG"):
        imaging.decode(b"P2 1 1 255\n7\n")


def test_tiff_with_unusual_compression_is_refused():
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "TIFF", compression="lzma")
    with pytest.raises(ImageError, match="it is compressed by lzma, which is not supported; save it as PNG"):
        imaging.decode(stream.getvalue())
