"""The public archives that can be downloaded: contents, licence, citation and addresses.

    residerm data list

`size`, `md5` and `sha256` are those of the publisher, and are verified after the download; `about` is a rounded size,
only used to check the disk space. ISIC publishes no hashes, and it is unclear to which form of HAM10000's metadata the
published MD5 belongs: files without a hash are verified with the SHA-256 of their first complete download (see
`fetch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypedDict

from residerm.data.archives.layouts import dermamnist, ham10000, isic2016, isic2017, isic2018, isic2019, isic2020
from residerm.data.archives.records import Layout
from residerm.errors import UsageError, nearest


@dataclass(frozen=True)
class RemoteFile:
    """One file of an archive: its published name, and the addresses that have it, in the order to try them."""

    name: str
    addresses: tuple[str, ...]
    size: int | None = None
    about: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def published(self) -> dict[str, str]:
        """The hashes that the publisher gives, by algorithm."""
        hashes = {"md5": self.md5, "sha256": self.sha256}
        return {algorithm: value for algorithm, value in hashes.items() if value is not None}


class ArchiveDict(TypedDict):
    """An archive of the catalogue as plain data."""

    name: str
    title: str
    layout: str
    images: int
    classes: tuple[str, ...]
    licence: str
    attribution: str
    citation: str
    source: str
    about: int | None
    files: list[dict[str, str | int | tuple[str, ...] | None]]


@dataclass(frozen=True)
class PublicArchive:
    """A published archive, with the classes, licence and citation of its layout."""

    name: str
    layout: Layout
    images: int
    source: str
    files: tuple[RemoteFile, ...]
    attribution: str = ""  # required by the licence

    @property
    def classes(self) -> tuple[str, ...]:
        """The codes of its classes."""
        return self.layout.classes or ()

    @property
    def about(self) -> int | None:
        """Approximate total size of its files in bytes, or None if no size is published."""
        return sum(file.size or file.about or 0 for file in self.files) or None

    def to_dict(self) -> ArchiveDict:
        """The archive as plain data, for JSON."""
        return {
            "name": self.name,
            "title": self.layout.title,
            "layout": self.layout.name,
            "images": self.images,
            "classes": self.classes,
            "licence": self.layout.licence,
            "attribution": self.attribution,
            "citation": self.layout.citation,
            "source": self.source,
            "about": self.about,
            "files": [asdict(file) for file in self.files],
        }


def find_archive(name: str) -> PublicArchive:
    """The archive of this name, ignoring case."""
    if name.lower() not in CATALOGUE:
        known = ", ".join(CATALOGUE)
        raise UsageError(f"NAME {name}: there is no such archive; known are {known}.{nearest(name, CATALOGUE)}")
    return CATALOGUE[name.lower()]


_KB, _MB, _GB = 2**10, 2**20, 2**30  # what the pages of ISIC and Dataverse mean by KB, MB and GB
_ISIC_BASES = (
    "https://isic-challenge-data.s3.amazonaws.com",
    "https://isic-archive.s3.amazonaws.com/challenges",  # the newer one
)


def _isic(year: int, sizes: Mapping[str, float | None]) -> tuple[RemoteFile, ...]:
    """The files of a challenge, with the rounded sizes of challenge.isic-archive.com/data."""
    return tuple(
        RemoteFile(name, tuple(f"{base}/{year}/{name}" for base in _ISIC_BASES), about=round(size) if size else None)
        for name, size in sizes.items()
    )


def _dataverse(number: int, query: str = "") -> str:
    return f"https://dataverse.harvard.edu/api/access/datafile/{number}{query}"


_VIENNA = "HAM10000: (c) ViDIR Group, Department of Dermatology, Medical University of Vienna"
_BARCELONA = "BCN_20000: (c) Department of Dermatology, Hospital Clínic de Barcelona"
_ANONYMOUS = "MSK: (c) Anonymous"

# The copy of ISIC 2018's test set on HAM10000's Dataverse page lacks an image; isic2018 downloads the original.
_HAM10000 = PublicArchive(
    "ham10000",
    ham10000.LAYOUT,
    images=10_015,
    source="doi:10.7910/DVN/DBW86T",
    files=(
        RemoteFile(  # without the query the server sends a tab-separated form of it; the second is an older version
            "HAM10000_metadata.csv",
            (_dataverse(4338392, "?format=original"), _dataverse(3172582, "?format=original")),
        ),
        RemoteFile("HAM10000_segmentations_lesion_tschandl.zip", (_dataverse(3838943),), about=round(10.3 * _MB)),
        RemoteFile(
            "HAM10000_images_part_1.zip",
            (_dataverse(3172585),),
            about=1303 * _MB,
            md5="4639bfa73ab251610530a97c898e6e46",
        ),
        RemoteFile(
            "HAM10000_images_part_2.zip",
            (_dataverse(3172584),),
            about=1339 * _MB,
            md5="da43d6cc50f6613013be07e8986b384b",
        ),
    ),
)
_ISIC_2016 = PublicArchive(
    "isic2016",
    isic2016.LAYOUT,
    images=1_279,
    source="https://challenge.isic-archive.com/data/#2016",
    files=_isic(
        2016,
        {
            "ISBI2016_ISIC_Part3_Training_GroundTruth.csv": 19 * _KB,
            "ISBI2016_ISIC_Part3_Test_GroundTruth.csv": 7 * _KB,
            "ISBI2016_ISIC_Part3_Training_Data.zip": 602 * _MB,
            "ISBI2016_ISIC_Part3_Test_Data.zip": 232 * _MB,
        },
    ),
)
_ISIC_2017 = PublicArchive(
    "isic2017",
    isic2017.LAYOUT,
    images=2_750,
    source="https://challenge.isic-archive.com/data/#2017",
    files=_isic(
        2017,
        {
            "ISIC-2017_Training_Part3_GroundTruth.csv": 43 * _KB,
            "ISIC-2017_Validation_Part3_GroundTruth.csv": 3 * _KB,
            "ISIC-2017_Test_v2_Part3_GroundTruth.csv": 13 * _KB,
            "ISIC-2017_Training_Data.zip": 5.8 * _GB,
            "ISIC-2017_Validation_Data.zip": 878 * _MB,
            "ISIC-2017_Test_v2_Data.zip": 5.4 * _GB,
        },
    ),
)
_ISIC_2018 = PublicArchive(
    "isic2018",
    isic2018.LAYOUT,
    images=11_720,
    attribution=f"{_VIENNA}; {_ANONYMOUS}",
    source="https://challenge.isic-archive.com/data/#2018",
    files=_isic(
        2018,
        {
            "ISIC2018_Task3_Training_LesionGroupings.csv": 481 * _KB,
            "ISIC2018_Task3_Training_GroundTruth.zip": 36 * _KB,
            "ISIC2018_Task3_Validation_GroundTruth.zip": 7 * _KB,
            "ISIC2018_Task3_Test_GroundTruth.zip": None,
            "ISIC2018_Task3_Training_Input.zip": 2.6 * _GB,
            "ISIC2018_Task3_Validation_Input.zip": 51 * _MB,
            "ISIC2018_Task3_Test_Input.zip": 401 * _MB,
        },
    ),
)
_ISIC_2019 = PublicArchive(
    "isic2019",
    isic2019.LAYOUT,
    images=33_569,
    attribution=f"{_BARCELONA}; {_VIENNA}; {_ANONYMOUS}",
    source="https://challenge.isic-archive.com/data/#2019",
    files=_isic(
        2019,
        {
            "ISIC_2019_Training_GroundTruth.csv": 1 * _MB,
            "ISIC_2019_Training_Metadata.csv": 1 * _MB,
            "ISIC_2019_Test_GroundTruth.csv": 454 * _KB,
            "ISIC_2019_Test_Metadata.csv": 287 * _KB,
            "ISIC_2019_Training_Input.zip": 9.1 * _GB,
            "ISIC_2019_Test_Input.zip": 3.6 * _GB,
        },
    ),
)
_ISIC_2020 = PublicArchive(
    "isic2020",
    isic2020.LAYOUT,
    images=33_126,
    attribution="The ISIC 2020 Challenge Dataset, doi:10.34970/2020-ds01, (c) by ISDIS, 2020",
    source="doi:10.34970/2020-ds01",
    files=_isic(
        2020,
        {
            "ISIC_2020_Training_GroundTruth.csv": 2 * _MB,
            "ISIC_2020_Training_GroundTruth_v2.csv": 2 * _MB,
            "ISIC_2020_Training_Duplicates.csv": None,
            "ISIC_2020_Training_JPEG.zip": 23 * _GB,
        },
    ),
)


def _dermamnist(pixels: int, md5: str) -> PublicArchive:
    """HAM10000 scaled down; the smallest has no size in its name."""
    name = "dermamnist" if pixels == 28 else f"dermamnist_{pixels}"
    address = f"https://zenodo.org/records/10519652/files/{name}.npz?download=1"
    return PublicArchive(
        name,
        dermamnist.LAYOUT,
        images=10_015,
        source="doi:10.5281/zenodo.10519652",
        files=(RemoteFile(f"{name}.npz", (address,), md5=md5),),
    )


CATALOGUE = {
    archive.name: archive
    for archive in (
        _HAM10000,
        _ISIC_2016,
        _ISIC_2017,
        _ISIC_2018,
        _ISIC_2019,
        _ISIC_2020,
        _dermamnist(28, "0744692d530f8e62ec473284d019b0c7"),
        _dermamnist(64, "b70a2f5635c6199aeaa28c31d7202e1f"),
        _dermamnist(128, "2defd784463fa5243564e855ed717de1"),
        _dermamnist(224, "8974907d8e169bef5f5b96bc506ae45d"),
    )
}
