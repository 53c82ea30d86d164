"""Find images from arguments: files, folders, zips and patterns. Images are read lazily.

Only regular files of a limited size are read, because a pipe or a device would block or fill the memory. In a folder or
a zip, images are recognised by their suffix; other files are reported in a remark.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from residerm.errors import ArchiveError, ImageError, UsageError, counted, listed, printable
from residerm.imaging import SUFFIXES
from residerm.storage.containers import PACKED, read_image_file
from residerm.storage.tree import Tree


@dataclass(frozen=True)
class Source:
    """One image: its name, and a function that reads its bytes or raises `ImageError`."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Sources:
    """The images, and the names of other files that were found with them."""

    images: list[Source] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def remark(self) -> str | None:
        """A remark about the other files; None if there are none."""
        if not self.others:
            return None
        suffixes = ", ".join(sorted(SUFFIXES))
        verb = "was" if len(self.others) == 1 else "were"
        return (
            f"{counted(len(self.others), 'file')} {verb} not read, without one of the suffixes {suffixes}: "
            f"{listed(self.others)}"
        )


def find_sources(given: Iterable[str | Path | Source]) -> Sources:
    """Find the images of some arguments; whether a file is an image is checked when it is read."""
    sources = Sources()
    for argument in given:
        if isinstance(argument, Source):
            sources.images.append(argument)
            continue
        for path in _paths(str(argument)):
            if path.is_dir() or path.name.lower().endswith(PACKED):
                _add_inside(path, sources)
            else:
                sources.images.append(Source(printable(str(path)), partial(read_image_file, path)))
    if not sources.images:
        found = f" ({sources.remark})" if sources.others else ""
        raise UsageError(
            f"no images: give image files, folders or zips with images, or a pattern such as '*.jpg'{found}"
        )
    return sources


def _paths(given: str) -> Iterator[Path]:
    """The path itself, or the files that match it as a pattern if it does not exist."""
    path = Path(given).expanduser()
    if not path.exists() and glob.has_magic(given):
        yield from map(Path, sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207 - Path.glob: no absolute pattern
    else:
        yield path


def _add_inside(path: Path, sources: Sources) -> None:
    """Add the images in a folder or a zip; one that cannot be opened becomes an unreadable image."""

    def refused(place: Path, error: ArchiveError) -> None:
        sources.images.append(Source(printable(str(place)), partial(_fail, str(error))))

    try:
        tree = Tree(path, refused)
    except ArchiveError as error:
        refused(path, error)
        return
    sources.images.extend(Source(tree.where(number), partial(tree.read, number)) for number, _ in tree.images)
    sources.others.extend(tree.where(number) for number, _ in tree.documents)


def _fail(reason: str) -> bytes:
    raise ImageError(reason)
