"""The pixels of every kind of file, compared with Pillow and NumPy."""

from __future__ import annotations

import io
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sample_images import encode, make_pixels, make_png

from residerm import imaging
from residerm.config import PixelSpec
from residerm.errors import ImageError

WHOLE = PixelSpec(size=8, reduced=False)
FILTERS = {"box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(imaging.decode(data))


# From a file to the square that a spec asks for


@pytest.mark.parametrize("name", FILTERS)
def test_squash_resizes(name):
    pixels = make_pixels(96, 64)
    spec = PixelSpec(size=24, filter=name)
    expected = np.asarray(Image.fromarray(pixels).resize((24, 24), FILTERS[name]))
    assert np.array_equal(imaging.read(encode(pixels, "PNG"), spec), expected)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(("size", "middle"), [((96, 64), (16, 0, 80, 64)), ((64, 96), (0, 16, 64, 80))])
def test_crop_takes_the_centre(name, size, middle):
    pixels = make_pixels(*size)
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), FILTERS[name], box=middle))
    got = imaging.read(encode(pixels, "PNG"), PixelSpec(size=32, aspect="crop", filter=name))
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("name", FILTERS)
def test_pad_fills_with_black(name):
    pixels = make_pixels(96, 64)
    got = imaging.read(encode(pixels, "PNG"), PixelSpec(size=48, aspect="pad", filter=name))
    expected = np.zeros((48, 48, 3), np.uint8)
    expected[8:40] = np.asarray(Image.fromarray(pixels).resize((48, 32), FILTERS[name]))
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("aspect", ["squash", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_every_aspect_ratio_becomes_square(aspect, shape, form):
    pixels = np.full((*shape, 3), 100, np.uint8)
    got = imaging.read(encode(pixels, form), PixelSpec(size=16, aspect=aspect))
    assert got.shape == (16, 16, 3)
    assert got.dtype == np.uint8
    assert abs(int(got[7, 7, 0]) - 100) <= 2
    if aspect != "pad":
        assert np.ptp(got) <= 3


def test_pixels_match_recorded_hashes():
    """If this fails, the pixels have changed and `VERSION` must be increased, so that old caches are not used."""
    y, x = np.mgrid[:60, :90]
    pixels = np.stack([x * 2, y * 3, (x * y) % 256], axis=-1).astype(np.uint8)
    got = imaging.read(encode(pixels, "PNG"), PixelSpec(size=32))
    assert (imaging.VERSION, zlib.crc32(got.tobytes())) == (1, 2659455818)


# Reduced decoding


def test_reduced_decoding_is_close_to_full_decoding():
    data = encode(make_pixels(1600, 1200), "JPEG", quality=90)
    reduced = imaging.read(data, PixelSpec(size=64)).astype(int)
    full = imaging.read(data, PixelSpec(size=64, reduced=False)).astype(int)
    difference = np.abs(reduced - full)
    assert 0 < difference.mean() < 1
    assert difference.max() <= 8


@pytest.mark.parametrize(
    ("at_least", "width"), [(None, 800), (301, 800), (300, 400), (151, 400), (150, 200), (75, 100)]
)
def test_reduced_decoding_is_never_smaller_than_requested(at_least, width):
    data = encode(make_pixels(800, 600), "JPEG")
    image = imaging.decode(data, (at_least, at_least) if at_least else None)
    assert image.size == (width, width * 3 // 4)


def test_only_jpegs_are_reduced():
    assert imaging.decode(encode(make_pixels(80, 60), "PNG"), (8, 8)).size == (80, 60)


# Every kind of file and of pixel


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_are_exact(form, options):
    pixels = make_pixels(40, 30)
    assert np.array_equal(decoded(encode(pixels, form, **options)), pixels)


def test_grey_images_have_three_equal_channels():
    grey = make_pixels(40, 30)[..., 0]
    for form in ("PNG", "TIFF", "BMP", "PPM"):
        assert np.array_equal(decoded(encode(grey, form)), np.stack([grey] * 3, axis=-1)), form
    jpeg = decoded(encode(grey, "JPEG", quality=100)).astype(int)
    assert np.abs(jpeg - grey[..., None]).max() <= 2


def test_one_bit_images():
    bits = make_pixels(40, 30)[..., 0] > 128
    expected = np.stack([bits * np.uint8(255)] * 3, axis=-1)
    for form in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(decoded(encode(Image.fromarray(bits), form)), expected), form


def test_palette_images():
    palette = np.arange(768, dtype=np.uint8).reshape(256, 3)[::-1]
    index = make_pixels(40, 30)[..., 0]
    image = Image.fromarray(index)
    image.putpalette(palette.tobytes())
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        assert np.array_equal(decoded(encode(image, form)), palette[index]), form


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def test_transparent_images_are_composited_on_white():
    colour = make_pixels(40, 30)
    alpha = make_pixels(40, 30, seed=1)[..., 1]
    for form, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        got = decoded(encode(np.dstack([colour, alpha]), form, **options))
        assert np.abs(got - on_white(colour, alpha)).max() <= 1, form
    grey = colour[..., 0]
    got = decoded(encode(np.dstack([grey, alpha]), "PNG"))
    assert np.abs(got - on_white(np.dstack([grey] * 3), alpha)).max() <= 1


def test_transparent_colour_becomes_white():
    pixels = np.where(make_pixels(40, 30)[..., :1] > 128, np.uint8(200), np.uint8(7)) * np.ones(3, np.uint8)
    expected = np.where(pixels == 7, 255, pixels)
    assert np.array_equal(decoded(encode(pixels, "PNG", transparency=(7, 7, 7))), expected)
    assert np.array_equal(decoded(encode(pixels[..., 0], "PNG", transparency=7)), expected)


def test_transparent_palette_entry_becomes_white():
    index = make_pixels(40, 30)[..., 0] // 64
    image = Image.fromarray(index)
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]], np.uint8)
    image.putpalette(colours.tobytes())
    for form in ("PNG", "GIF"):
        expected = colours.copy()
        expected[2] = 255
        assert np.array_equal(decoded(encode(image, form, transparency=2)), expected[index]), form


def sixteen_bit_png(samples: np.ndarray) -> bytes:
    """A grey or RGB PNG; Pillow cannot write the latter."""
    height, width = samples.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in samples)
    return make_png(width, height, 16, 2 if samples.ndim == 3 else 0, lines)


@pytest.mark.parametrize("brightest", [65535, 200])
def test_sixteen_bit_images_keep_the_high_byte(brightest):
    """Also for an image so dark that its values fit in eight bits."""
    grey = (make_pixels(40, 30)[..., 0].astype(np.uint32) * brightest // 255).astype(np.uint16)
    expected = np.stack([(grey >> 8).astype(np.uint8)] * 3, axis=-1)
    files = {
        "png": sixteen_bit_png(grey),
        "colour": sixteen_bit_png(np.stack([grey] * 3, axis=-1)),
        "tiff": encode(grey, "TIFF"),
        "big-endian tiff": encode(grey.astype(">u2"), "TIFF"),
        "pgm": b"P5 40 30 65535\n" + grey.astype(">u2").tobytes(),
    }
    for name, data in files.items():
        assert np.array_equal(decoded(data), expected), name


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)])
def test_wider_samples_are_refused(pixels):
    with pytest.raises(ImageError, match=r"neither of 8 nor of 16 bits: save it as 8-bit RGB"):
        imaging.read(encode(pixels, "TIFF"), WHOLE)


def test_lab_is_refused():
    with pytest.raises(ImageError, match="save it as 8-bit RGB"):
        imaging.read(encode(Image.new("LAB", (4, 4)), "TIFF"), WHOLE)


def from_cmyk(cmyk: np.ndarray) -> np.ndarray:
    return (255 - cmyk[..., :3]) * (255 - cmyk[..., 3:]) / 255


def test_cmyk_images():
    cmyk = np.dstack([make_pixels(40, 30), make_pixels(40, 30, seed=1)[..., 0] // 3]).astype(float)
    image = Image.merge("CMYK", [Image.fromarray(ink.astype(np.uint8)) for ink in np.moveaxis(cmyk, -1, 0)])
    assert np.abs(decoded(encode(image, "TIFF")) - from_cmyk(cmyk)).max() <= 1
    inverted = encode(image, "JPEG", quality=100, subsampling=0)
    assert b"Adobe" in inverted
    assert np.abs(decoded(inverted) - from_cmyk(cmyk)).max() <= 4


def test_ycck_images():
    """The same samples as YCCK: three of them are luma and chroma of the inverted colour."""
    stored = np.array([120.0, 90, 170, 200])  # Y, Cb, Cr, K as they lie in the file; Pillow writes CMYK inverted
    image = Image.new("CMYK", (16, 16), tuple(int(255 - sample) for sample in stored))
    data = bytearray(encode(image, "JPEG", quality=100))
    data[data.find(b"Adobe") + 11] = 2  # the colour transform: YCCK
    y, cb, cr, k = stored
    rgb = np.array([y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)])
    expected = (255 - rgb) * k / 255
    assert np.abs(decoded(bytes(data)) - expected).max() <= 2


STORED = {  # how a picture lies in a file of each EXIF orientation
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, form):
    upright = make_pixels(320, 240)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(np.ascontiguousarray(STORED[orientation](upright)), form, exif=exif)
    got = decoded(data).astype(int)
    assert got.shape == upright.shape
    assert np.abs(got - upright).mean() < 6
    square = imaging.read(data, PixelSpec(size=16)).astype(int)  # reduced, for the JPEG
    plain = np.asarray(Image.fromarray(upright).resize((16, 16), Image.BICUBIC)).astype(int)
    assert np.abs(square - plain).max() <= 6


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation_is_read(form):
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("#0000ff", "#ff0000", "#00ff00")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert np.array_equal(decoded(data), np.asarray(frames[0]))


def test_first_image_of_an_mpo_is_read():
    first, second = make_pixels(320, 240), make_pixels(320, 240)[::-1]
    data = encode(first, "MPO", save_all=True, append_images=[Image.fromarray(second)], quality=95)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert np.abs(decoded(data).astype(int) - first).mean() < 3
    assert imaging.decode(data, (80, 60)).size == (80, 60)


def test_colour_profile_is_ignored():
    pixels = make_pixels(40, 30)
    for form in ("JPEG", "PNG", "TIFF"):
        plain, profiled = encode(pixels, form), encode(pixels, form, icc_profile=b"a profile" * 30)
        assert plain != profiled
        assert np.array_equal(decoded(plain), decoded(profiled)), form


def test_threads_give_the_same_pixels():
    files = [encode(make_pixels(200 + n, 150), form) for n, form in enumerate(["JPEG", "PNG", "TIFF", "GIF"] * 8)]
    spec = PixelSpec(size=16)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: imaging.read(data, spec), files))
    for data, pixels in zip(files, together, strict=True):
        assert np.array_equal(pixels, imaging.read(data, spec))


@pytest.mark.parametrize("mode", ["P", "L"])
@pytest.mark.parametrize("transparency", [7, bytes(range(0, 250, 10))])
@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_compositing_matches_pillow(mode, transparency, form):
    if isinstance(transparency, bytes) and (mode, form) != ("P", "PNG"):
        pytest.skip("no such file can be written")
    image = Image.fromarray(make_pixels(40, 30)).convert("L").convert(mode)
    data = encode(image, form, transparency=transparency)
    layer = Image.open(io.BytesIO(data)).convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    assert np.array_equal(decoded(data), np.asarray(expected))
