"""The images that were used for training a model or selecting it, so that they are not scored as new.

    seen = Seen.of(image_ids, groups, contents)
    new = ~seen.knows(image_ids, groups, contents)

A bundle stores salted hashes instead of names: a given name can be looked up, but names cannot be recovered. An image
is recognised by its id, by its lesion or patient, or by the size and CRC-32 of its file.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residerm.arrays import read_arrays
from residerm.documents import of_newer_version
from residerm.inference.validation import BundleError

Content = tuple[int, int]  # size and CRC-32 of a file; a CRC of 0 means unknown
_BYTES = 8  # of a hash: with a million images, the probability of a collision is about one in ten million
_MOST_TABLES, _MOST_BYTES = 64, 2**30
_FORMAT = 1  # of the file; files without it are of format 1


@dataclass(frozen=True, eq=False)
class _Table:
    """Sorted hashes for one model, with their own salt."""

    salt: np.ndarray
    images: np.ndarray
    groups: np.ndarray
    contents: np.ndarray

    def knows(self, images: Sequence[str], groups: Sequence[str], contents: Sequence[Content]) -> np.ndarray:
        salt = self.salt.tobytes()
        known: np.ndarray = np.isin(_hashes(salt, "image", images), self.images)
        known |= np.isin(_hashes(salt, "group", groups), self.groups)
        if contents:
            by_file = np.isin(_hashes(salt, "file", map(_text, contents)), self.contents)
            known |= by_file & np.array([crc != 0 for _, crc in contents])
        return known


@dataclass(frozen=True, eq=False)
class Seen:
    """The images seen by a model, or by the members of an ensemble."""

    tables: tuple[_Table, ...]

    @classmethod
    def of(cls, images: Iterable[str], groups: Iterable[str], contents: Iterable[Content] = ()) -> Seen:
        """Hash the ids, lesions or patients, and files of the images that one model has seen."""
        salt = secrets.token_bytes(16)
        known = (_text(content) for content in contents if content[1])
        texts = (("image", images), ("group", groups), ("file", known))
        hashes = (np.unique(_hashes(salt, kind, some)) for kind, some in texts)
        return cls((_Table(np.frombuffer(salt, np.uint8), *hashes),))

    @classmethod
    def together(cls, members: Iterable[Seen]) -> Seen:
        """The images seen by any of several models."""
        return cls(tuple(table for member in members for table in member.tables))

    def knows(self, images: Sequence[str], groups: Sequence[str], contents: Sequence[Content] = ()) -> np.ndarray:
        """Which of the given images were seen."""
        known: np.ndarray = np.any([table.knows(images, groups, contents) for table in self.tables], axis=0)
        return known

    def write(self, path: Path) -> None:
        """Write the hashes to an npz file."""
        arrays = {
            f"{number}.{name}": value for number, table in enumerate(self.tables) for name, value in vars(table).items()
        }
        np.savez_compressed(path, format=np.array(_FORMAT), **arrays)

    @classmethod
    def read(cls, path: Path) -> Seen:
        """Read the hashes from a file."""
        try:
            arrays = read_arrays(path, _MOST_BYTES)
            _require_known(arrays.pop("format", np.array(_FORMAT)), path)
            numbers = range(min(len(arrays) // 4, _MOST_TABLES))
            names = tuple(_Table.__dataclass_fields__)
            tables = tuple(_Table(*(arrays[f"{number}.{name}"] for name in names)) for number in numbers)
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"{path} cannot be read ({error}); the bundle is damaged") from error
        if not tables or not all(map(_is_sound, tables)):
            raise BundleError(f"{path} does not contain hashes of training images; the bundle is damaged")
        return cls(tables)


def _require_known(stated: np.ndarray, path: Path) -> None:
    """Raise `BundleError` for the format of a newer version."""
    if stated.dtype.kind == "i" and stated.size == 1 and stated.item() > _FORMAT:
        raise BundleError(f"{path} {of_newer_version(stated.item())}")


def _is_sound(table: _Table) -> bool:
    hashes = (table.images, table.groups, table.contents)
    return table.salt.dtype == np.uint8 and all(one.dtype == np.uint64 and one.ndim == 1 for one in hashes)


def _hashes(salt: bytes, kind: str, texts: Iterable[str]) -> np.ndarray:
    """The hash of each text, as a number."""
    start = hashlib.blake2b(salt + kind.encode(), digest_size=_BYTES)

    def one(text: str) -> bytes:
        state = start.copy()
        state.update(text.encode("utf-8", "surrogateescape"))
        return state.digest()

    return np.frombuffer(b"".join(one(text) for text in texts), np.uint64)


def _text(content: Content) -> str:
    return f"{content[0]} {content[1]}"
