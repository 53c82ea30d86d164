"""Invalid, damaged and oversized files raise an `ImageError` with one reason, without taking much memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sample_images import encode, make_pixels, make_png

from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.imaging import limits

WHOLE = PixelSpec(size=8, reduced=False)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(imaging.decode(data))


def test_empty_file():
    with pytest.raises(ImageError, match=r"^the file is empty$"):
        imaging.read(b"", WHOLE)


@pytest.mark.parametrize("data", [b"image,dx\nISIC_1,nv\n", b"\0" * 5000, b"\xff\xd8", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_file_of_another_type(data):
    with pytest.raises(ImageError, match=r"^this is not an image, or its header is damaged$"):
        imaging.read(data, WHOLE)


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {}), ("GIF", {})],
)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_truncated_file_is_refused_or_complete(form, options):
    """Only an end without pixels may be missing."""
    data = encode(make_pixels(60, 40), form, **options)
    whole = decoded(data)
    refused = 0
    for length in (*range(1, len(data), 29), *range(len(data) - 30, len(data))):
        try:
            assert np.array_equal(decoded(data[:length]), whole)
        except ImageError:
            refused += 1
    assert refused >= len(data) // 29
    with pytest.raises(ImageError, match=r"cut short|not an image|damaged"):
        decoded(data[: len(data) * 2 // 3])


def test_truncated_jpeg_message():
    data = encode(make_pixels(60, 40), "JPEG")
    for padding in (b"", bytes(5000)):  # a broken download, and one into a file that was reserved whole
        with pytest.raises(ImageError, match=r"^the image is cut short$"):
            decoded(data[: len(data) * 2 // 3] + padding)


def test_corrupt_jpeg_is_refused():
    data = bytearray(encode(make_pixels(60, 40), "JPEG"))
    table = data.find(b"\xff\xc4")  # Huffman codes
    data[table + 5 : table + 25] = b"\xff" * 20
    with pytest.raises(ImageError, match="damaged"):
        decoded(bytes(data))


def test_corrupt_png_is_refused():
    data = bytearray(encode(make_pixels(60, 40), "PNG"))
    at = data.find(b"IDAT") + 1000
    data[at] ^= 0xFF
    with pytest.raises(ImageError, match=r"damaged|cut short"):
        decoded(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_random_damage_raises_only_image_error():
    """Random damage in files of every format."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = [encode(make_pixels(24, 16), form, exif=exif) for form in ("JPEG", "PNG", "TIFF", "WEBP")]
    seeds += [encode(make_pixels(24, 16), form) for form in ("BMP", "GIF", "PPM", "MPO")]
    outcomes = set()
    for _ in range(1500):
        data = bytearray(seeds[rng.integers(len(seeds))])
        for place in rng.integers(0, min(len(data), rng.choice([40, 300, 10**6])), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        try:
            outcomes.add(imaging.read(bytes(data), WHOLE).shape)
        except ImageError:
            outcomes.add("refused")
    assert outcomes == {(8, 8, 3), "refused"}


def test_unusual_metadata_gives_no_warning():
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\x7f" * 9
    program = """
import sys
from residerm import imaging
assert imaging.decode(bytes.fromhex(sys.stdin.read())).size == (40, 30)
"""
    data = encode(make_pixels(40, 30), "JPEG", exif=exif)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=data.hex(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def strip(colour: int, **options: object) -> tuple[bytes, bytes]:
    """Everything before the pixels of a grey JPEG of 20,000 x 8, and its pixels; a shade from `colour` to 250."""
    shade = np.linspace(colour, 250, 20_000).astype(np.uint8)
    data = encode(np.tile(shade, (8, 1)), "JPEG", restart_marker_rows=1, **options)
    scan = data.find(b"\xff\xda")
    scan += 2 + struct.unpack_from(">H", data, scan + 2)[0]
    return data[:scan], data[scan:-2]


def claiming(header: bytes, width: int, height: int) -> bytes:
    frame = max(header.find(b"\xff\xc0"), header.find(b"\xff\xc2"))
    return header[: frame + 5] + struct.pack(">HH", height, width) + header[frame + 9 :]


def giant_jpeg(**options: object) -> bytes:
    """20,000 x 20,000, assembled from one row of blocks 2,500 times with restart markers between them."""
    header, upper = strip(0, **options)
    lower = strip(200, **options)[1]
    rows = [upper] * 1250 + [lower] * 1250
    markers = [bytes([0xFF, 0xD0 + n % 8]) for n in range(len(rows))]
    return claiming(header, 20_000, 20_000) + b"".join(map(bytes.__add__, rows, markers))[:-2] + b"\xff\xd9"


def in_several_scans() -> bytes:
    """A baseline JPEG with a scan for each colour, for which libjpeg keeps all coefficients in memory."""
    header, pixels = strip(0)
    frame = header.find(b"\xff\xc0")
    scan = header.find(b"\xff\xda")
    three = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 20_000, 20_000, 3)
    three += b"".join(bytes([colour, 0x11, 0]) for colour in (1, 2, 3))
    scans = [b"\xff\xda\0\x08\x01" + bytes([colour, 0, 0, 63, 0]) + pixels for colour in (1, 2, 3)]
    return header[:frame] + three + header[frame + 13 : scan] + b"".join(scans) + bytes(10**6) + b"\xff\xd9"


def giant_tiff() -> bytes:
    tags = {256: 20_000, 257: 20_000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 20_000, 279: 400_000_000}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(1000)


def giant_webp() -> bytes:
    data = bytearray(encode(make_pixels(16, 16), "WEBP", lossless=True))
    bits = int.from_bytes(data[21:25], "little")
    data[21:25] = ((bits & ~0xFFFFFFF) | 16_382 | 16_382 << 14).to_bytes(4, "little")
    return bytes(data)


def read_in_subprocess(data: bytes, spec: PixelSpec) -> tuple[str, float]:
    """Read in a new process; return its message and the growth of its peak memory in MB."""
    program = f"""
import sys
from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.imaging import limits
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
data = sys.stdin.buffer.read()
before = peak()
try:
    pixels = imaging.read(data, PixelSpec.model_validate_json({spec.model_dump_json()!r}))
    message = pixels[[16, 16, 48, 48], [1, 62, 1, 62], 0].tolist()
except ImageError as error:
    message = error
print(message, peak() - before, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    message, grown = done.stdout.decode().splitlines()
    return message, float(grown)


needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")


@needs_proc
def test_huge_jpeg_is_read_at_a_reduced_scale():
    message, grown = read_in_subprocess(giant_jpeg(), PixelSpec(size=64))
    corners = np.array(json.loads(message))
    assert np.abs(corners - [6, 244, 201, 249]).max() <= 3
    assert grown < 60, "megabytes; all of it would be 400, and as RGB 1,200"


@needs_proc
@pytest.mark.parametrize(
    ("giant", "spec", "size"),
    [
        (giant_jpeg, PixelSpec(size=64, reduced=False), "20000x20000"),
        (lambda: giant_jpeg(progressive=True) + bytes(10**6), PixelSpec(size=64), "20000x20000"),
        (in_several_scans, PixelSpec(size=64), "20000x20000"),
        (lambda: make_png(20_000, 20_000, 8, 2, bytes(60_001 * 50)), PixelSpec(size=64), "20000x20000"),
        (giant_tiff, PixelSpec(size=64), "20000x20000"),
        (giant_webp, PixelSpec(size=64), "16383x16383"),
        (lambda: b"P6 20000 20000 255\n" + bytes(1000), PixelSpec(size=64), "20000x20000"),
    ],
    ids=["not reduced", "progressive", "several scans", "png", "tiff", "webp", "ppm"],
)
def test_other_huge_images_are_refused_before_allocation(giant, spec, size):
    message, grown = read_in_subprocess(giant(), spec)
    reason = "pixels are more than the 100 megapixels allowed; scale the image down, or leave it out"
    assert message == f"{size} {reason}"
    assert grown < 30


def test_jpeg_too_small_for_its_size_is_refused():
    header, pixels = strip(0)
    with pytest.raises(ImageError, match=r"damaged: 65000x65000 pixels do not fit into its [\d,]+ bytes"):
        imaging.read(claiming(header, 65_000, 65_000) + pixels + b"\xff\xd9", PixelSpec(size=64))


def test_image_at_the_limit_is_read(monkeypatch):
    monkeypatch.setattr(limits, "MAXIMUM_PIXELS", 40 * 30)
    assert decoded(encode(make_pixels(40, 30), "PNG")).shape == (30, 40, 3)
    with pytest.raises(ImageError, match=r"^41x30 pixels are more than"):
        decoded(encode(make_pixels(41, 30), "PNG"))


def test_libtiff_messages_are_in_the_error_only(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "TIFF", compression="tiff_lzw")
    whole = stream.getvalue()
    damaged = whole[:200] + bytes(255 - byte for byte in whole[200:2000]) + whole[2000:]
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(decoded, damaged).exception() for _ in range(20)]
    assert {str(failure) for failure in failures} == {"the image is damaged (decoder error -2)"}
    assert capfd.readouterr().err == ""
