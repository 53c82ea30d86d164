"""Bytes of an image file → a square of RGB pixels. The only decoder: cache, prediction and service all call `read`.

    pixels = read(data, spec)                 the pixels specified by `spec`, as an array
    with decoded(data) as image: ...          the whole image, its memory reserved until the block ends

The same bytes and spec give the same pixels everywhere; any problem with a file raises an `ImageError`; and all threads
together use at most `memory.MOST` bytes for images at a time.
"""

from residerm.imaging.decoding import SUFFIXES, VERSION, decode, decoded, read
from residerm.imaging.limits import MAXIMUM_PIXELS

__all__ = ["MAXIMUM_PIXELS", "SUFFIXES", "VERSION", "decode", "decoded", "read"]
