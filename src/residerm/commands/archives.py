"""The commands of `residerm data` as functions: archives, and the caches of their decoded images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from residerm.config import ArchiveOptions, AugmentOptions, PixelSpec, SplitOptions, SyntheticOptions
from residerm.config.given import Given
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.data.download.catalogue import PublicArchive
    from residerm.data.inspect.check import CheckReport
    from residerm.data.inspect.stats import Statistics
    from residerm.data.loading.caches import StoredCache
    from residerm.data.split import Split


def synth(out: str | Path, *, progress: Progress = SILENT, **options: object) -> Path:
    """Draw the synthetic archive into a new folder, in the layout of HAM10000, and return the folder.

    Example:
        archive = residerm.synth("archive", images=210, width=64, height=48)

    """
    from residerm.data.synthetic import draw_archive

    given = Given(options, "synth")
    synthetic = given.take(SyntheticOptions)
    given.refuse_rest()
    return draw_archive(Path(out), synthetic, progress)


def list_archives() -> list[PublicArchive]:
    """List the public archives that can be downloaded, with their classes, size, licence and citation.

    Example:
        print([archive.name for archive in residerm.list_archives()])

    """
    from residerm.data.download.catalogue import CATALOGUE

    return list(CATALOGUE.values())


def fetch(name: str, *, out: str | Path | None = None, progress: Progress = SILENT) -> Path:
    """Download a public archive and return its folder; an interrupted download is resumed.

    Without `out`, the folder has the archive's name.

    Example:
        folder = residerm.fetch("ham10000", out="HAM10000")

    """
    from residerm.data.download import fetch

    return fetch.fetch(name, out, progress)


def check(
    path: str | Path, *, layout: str | None = None, progress: Progress = SILENT, **options: object
) -> CheckReport:
    """Check an archive for missing, damaged and unusual files and for duplicates.

    Example:
        report = residerm.check(archive)
        assert report.count("error") == 0

    """
    from residerm.data.archives import open_archive
    from residerm.data.inspect import check

    given = Given(options, "check")
    splitting = given.take(SplitOptions)
    given.refuse_rest()
    return check.check_archive(open_archive(Path(path), layout=layout), splitting, progress)


def stats(path: str | Path, *, out: str | Path | None = None, **options: object) -> Statistics:
    """Count the images and lesions of an archive by class, sex, age and site.

    With `out`, the tables and a figure are written to a new folder.

    Example:
        statistics = residerm.stats(archive)
        print(statistics.images, statistics.groups)

    """
    from residerm.data.archives import open_for
    from residerm.data.inspect.stats import describe, write_statistics

    given = Given(options, "stats")
    archive = given.take(ArchiveOptions)
    given.refuse_rest()
    statistics = describe(open_for(Path(path), archive))
    if out:
        write_statistics(statistics, Path(out))
    return statistics


def split(path: str | Path, *, out: str | Path | None = None, **options: object) -> Split:
    """Split an archive into training, validation and test parts, with all images of a lesion in one part.

    With `out`, splits.csv and splits.json, which describes it, are written to a new folder.

    Example:
        parts = residerm.split(archive, split_seed=1)
        print(parts.rows(0), parts.remarks)

    """
    from residerm.data.archives import open_for
    from residerm.data.split import divide, write_split

    given = Given(options, "split")
    archive, splitting = given.take(ArchiveOptions), given.take(SplitOptions)
    given.refuse_rest()
    records = open_for(Path(path), archive)
    divided = divide(records, splitting)
    if out:
        write_split(divided, records, Path(out))
    return divided


def preview(
    path: str | Path, out: str | Path = "preview.png", *, images: int = 8, seed: int = 0, **options: object
) -> Path:
    """Draw images before and after augmentation, originals above and augmented images below, into a new file.

    Example:
        residerm.preview(archive, "preview.png", size=48)

    """
    from residerm.data.archives import open_for
    from residerm.data.loading.preview import draw_preview
    from residerm.figures import save

    given = Given(options, "preview")
    archive, pixels, augmentation = given.take(ArchiveOptions), given.take(PixelSpec), given.take(AugmentOptions)
    given.refuse_rest()
    records = open_for(Path(path), archive)
    save(draw_preview(records, pixels, augmentation, images=images, seed=seed), Path(out))
    return Path(out)


def list_caches(name: str | None = None) -> list[StoredCache]:
    """List the caches of decoded images on this machine; with `name`, those whose names begin with it.

    Example:
        for cache in residerm.list_caches():
            print(cache.name, cache.images, cache.bytes)

    """
    from residerm.data.loading.caches import find_caches

    return find_caches(name)


def clear_caches(name: str | None = None) -> int:
    """Remove the caches of decoded images, or those whose names begin with `name`; return the number of bytes freed.

    Example:
        print(residerm.clear_caches())

    """
    from residerm.data.loading import caches

    return caches.clear_caches(caches.find_caches(name))
