"""Bytes of an image file → a square of RGB pixels. The only decoder: cache, prediction and service all call `read`.

    pixels = read(data, spec)                 what a spec asks for, as an array
    with decoded(data) as image: ...          the whole image, its memory reserved until the block ends

What holds: the same bytes and the same spec give the same pixels wherever they are read; whatever is wrong with a file
is an `ImageError`; and all threads together hold no more than `memory.MOST` bytes of images at a time.
"""

from residerm.imaging.decoding import SUFFIXES, VERSION, decode, decoded, read
from residerm.imaging.limits import MAXIMUM_PIXELS

__all__ = ["MAXIMUM_PIXELS", "SUFFIXES", "VERSION", "decode", "decoded", "read"]
