"""Fuzzing of `imaging.read` with damaged image files: outcomes, times and memory.

    python tests/support/fuzzing.py 1000000 --seed 0        prints intermediate counts

Input n of a seed is always the same file, so any failure can be reproduced with `mutated(seed, n)`.
"""

from __future__ import annotations

import argparse
import resource
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image
from sample_images import encode, make_dicom, make_pixels

from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError

SPECS = (PixelSpec(size=8, reduced=False), PixelSpec(size=16), PixelSpec(size=8, aspect="pad"))
_VALUES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG_HEAD = 8


@dataclass
class Findings:
    """Outcomes of the inputs."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)  # read, refused, or the name of another exception
    escaped: list[int] = field(default_factory=list)  # numbers of the inputs with other exceptions
    slowest: float = 0.0  # CPU seconds
    slowest_input: int = -1
    over_two_seconds: int = 0
    grown: float = 0.0  # MB of peak memory more than at the beginning


@cache
def seeds() -> dict[str, list[bytes]]:
    """Small valid files of eleven formats, in the variants that decoders treat differently."""
    colour, small = make_pixels(24, 16), make_pixels(9, 7, seed=1)
    image = Image.fromarray(colour)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    deep = colour[..., 0].astype(np.uint16) * 257
    palette, layer = image.convert("P"), Image.fromarray(np.dstack([colour, colour[..., 0]]))
    jpeg = {"exif": exif, "icc_profile": b"profile" * 9}
    turned = image.rotate(180)
    packings = (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    return {
        "jpeg": [encode(colour, "JPEG", **jpeg), *(encode(image.convert(mode), "JPEG") for mode in ("CMYK", "L"))],
        "progressive jpeg": [
            encode(colour, "JPEG", progressive=True, **jpeg),
            encode(turned, "JPEG", progressive=True, subsampling=0),
        ],
        "mpo": [encode(image, "MPO", **_frames(image))],
        "png": [
            encode(colour, "PNG", exif=exif), encode(palette, "PNG", transparency=3), encode(layer, "PNG"),
            encode(deep, "PNG"), *(encode(image.convert(mode), "PNG") for mode in ("1", "LA")),
            encode(image, "PNG", **_frames(image)),
        ],
        "bmp": [encode(colour, "BMP"), encode(palette, "BMP"), encode(image.convert("1"), "BMP")],
        "tiff": [
            *(encode(colour, "TIFF", compression=packing, exif=exif) for packing in packings),
            encode(deep, "TIFF"), encode(image.convert("1"), "TIFF", compression="group4"), encode(layer, "TIFF"),
            encode(image, "TIFF", **_frames(image)),
        ],
        "webp": [encode(colour, "WEBP", exif=exif), encode(layer, "WEBP"), encode(image, "WEBP", **_frames(image))],
        "lossless webp": [encode(colour, "WEBP", lossless=True), encode(layer, "WEBP", lossless=True)],
        "gif": [encode(palette, "GIF"), encode(palette, "GIF", transparency=3), encode(image, "GIF", **_frames(image))],
        "ppm": [
            encode(small, "PPM"), *(encode(image.convert(mode), "PPM") for mode in ("L", "1")),
            b"P6 3 2 200\n" + bytes(18), b"P5 3 2 65535\n" + bytes(12),
        ],
        "dicom": [
            make_dicom(colour), make_dicom(deep, photometric="MONOCHROME2"),
            make_dicom(colour, jpeg=encode(colour, "JPEG")),
        ],
    }  # fmt: skip


def _frames(image: Image.Image) -> dict[str, object]:
    return {"save_all": True, "append_images": [image.rotate(180)]}


def mutated(seed: int, number: int) -> bytes:
    """One input: a file with one to six mutations; the checksums of a PNG are often corrected afterwards."""
    rng = np.random.default_rng((seed, number))
    kinds = list(seeds().values())
    variants = kinds[rng.integers(len(kinds))]
    data = bytearray(variants[rng.integers(len(variants))])
    for _ in range(rng.integers(1, 7)):
        _MUTATIONS[rng.integers(len(_MUTATIONS))](data, rng)
    return _with_checksums(data) if data[:4] == b"\x89PNG" and rng.random() < 0.7 else bytes(data)


def fuzz(count: int, seed: int = 0, watch: Callable[[Findings], None] = lambda _: None) -> Findings:
    """Read `count` inputs."""
    seeds()
    findings, before = Findings(), _peak()
    for number in range(count):
        data = mutated(seed, number)
        start = time.thread_time()
        try:
            pixels = imaging.read(data, SPECS[number % len(SPECS)])
            outcome = "read" if pixels.dtype == np.uint8 and pixels.shape[0] == pixels.shape[1] else "misshapen"
        except ImageError:
            outcome = "refused"
        except Exception as error:
            outcome = type(error).__name__
        seconds = time.thread_time() - start
        findings.inputs += 1
        findings.outcomes[outcome] += 1
        findings.over_two_seconds += seconds > 2
        if outcome not in ("read", "refused"):
            findings.escaped.append(number)
        if seconds > findings.slowest:
            findings.slowest, findings.slowest_input = seconds, number
        findings.grown = _peak() - before
        if findings.inputs % 20_000 == 0:
            watch(findings)
    return findings


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """A random position, more often near the beginning, where the headers are."""
    return int(rng.integers(min(len(data), int(rng.choice((40, 400, 10**6)))))) if data else 0


def _change_bytes(data: bytearray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 5) if data else 0):
        data[_place(data, rng)] = rng.integers(256)


def _flip_a_bit(data: bytearray, rng: np.random.Generator) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << int(rng.integers(8))


def _set_a_number(data: bytearray, rng: np.random.Generator) -> None:
    """Write an extreme value of one, two or four bytes."""
    form = str(rng.choice(("B", "<H", ">H", "<I", ">I")))
    size = struct.calcsize(form)
    value = _VALUES[rng.integers(len(_VALUES))] & (256**size - 1)
    at = _place(data, rng)
    data[at : at + size] = struct.pack(form, value)


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 33))]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + int(rng.integers(1, 200))] * int(rng.integers(1, 20))


def _insert_from_another(data: bytearray, rng: np.random.Generator) -> None:
    kinds = list(seeds().values())
    other = kinds[rng.integers(len(kinds))][0]
    start = int(rng.integers(len(other)))
    at = _place(data, rng)
    data[at:at] = other[start : start + int(rng.integers(1, 300))]


def _lengthen(data: bytearray, rng: np.random.Generator) -> None:
    data += bytes([rng.integers(256)]) * int(rng.integers(1, 2000))


_MUTATIONS = (
    _change_bytes, _change_bytes, _flip_a_bit, _set_a_number, _set_a_number, _cut, _remove, _repeat,
    _insert_from_another, _lengthen,
)  # fmt: skip


def _with_checksums(png: bytearray) -> bytes:
    """A PNG with corrected checksums, as far as the lengths of its chunks are right."""
    at = _PNG_HEAD
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 > len(png):
            break
        png[end : end + 4] = struct.pack(">I", zlib.crc32(png[at + 4 : end]))
        at = end + 4
    return bytes(png)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(fuzz(options.count, options.seed, watch=lambda findings: print(findings, flush=True)), flush=True)


if __name__ == "__main__":
    _main()
