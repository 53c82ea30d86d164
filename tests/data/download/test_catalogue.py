from __future__ import annotations

import string
from itertools import chain
from urllib.parse import urlsplit

import pytest

from residerm.data.archives.layouts import LAYOUTS, PUBLISHED
from residerm.data.download.catalogue import CATALOGUE, find_archive
from residerm.errors import UsageError

FILES = [pytest.param(file, id=file.name) for archive in CATALOGUE.values() for file in archive.files]


@pytest.mark.parametrize("archive", CATALOGUE.values(), ids=CATALOGUE)
def test_every_archive_is_described(archive):
    assert archive.layout is LAYOUTS[archive.layout.name]
    assert archive.layout.licence in {"CC0 1.0", "CC BY-NC 4.0"}
    assert "doi:" in archive.layout.citation or "arXiv:" in archive.layout.citation
    assert archive.source.startswith(("doi:", "https://"))
    assert len(archive.classes) >= 2
    names = [file.name for file in archive.files]
    assert len(names) == len(set(names)) >= 1


def test_every_layout_has_a_download():
    published = {layout.name for layout in PUBLISHED if not layout.synthetic}
    assert {archive.layout.name for archive in CATALOGUE.values()} == published


@pytest.mark.parametrize("file", FILES)
def test_every_file_has_https_addresses_and_valid_facts(file):
    assert file.addresses
    for address in file.addresses:
        assert urlsplit(address).scheme == "https"
        assert urlsplit(address).hostname
    assert len(set(file.addresses)) == len(file.addresses)
    for algorithm, digits in (("md5", 32), ("sha256", 64)):
        value = file.published.get(algorithm)
        assert value is None or (len(value) == digits and set(value) <= set(string.hexdigits.lower()))
    assert file.size is None or file.size > 0
    assert file.about is None or file.about > 0


def test_image_counts_match_the_parts():
    parts = {
        "ham10000": (10_015,),
        "isic2016": (900, 379),
        "isic2017": (2_000, 150, 600),
        "isic2018": (10_015, 193, 1_512),
        "isic2019": (25_331, 8_238),
        "isic2020": (33_126,),
        "dermamnist": (7_007, 1_003, 2_005),
    }
    assert {name: CATALOGUE[name].images for name in parts} == {name: sum(counts) for name, counts in parts.items()}


def test_challenges_have_two_mirrors():
    files = chain.from_iterable(CATALOGUE[f"isic{year}"].files for year in range(2016, 2021))
    for file in files:
        first, second = file.addresses
        assert first.startswith("https://isic-challenge-data.s3.amazonaws.com/20")
        assert second.startswith("https://isic-archive.s3.amazonaws.com/challenges/20")
        assert first.endswith(f"/{file.name}")
        assert second.endswith(f"/{file.name}")


def test_ham10000_metadata_is_downloaded_as_csv_without_hash():
    (metadata,) = [file for file in CATALOGUE["ham10000"].files if "metadata" in file.name]
    assert all(address.endswith("?format=original") for address in metadata.addresses)
    assert metadata.published == {}


def test_dermamnist_sizes_and_hashes():
    archives = [archive for archive in CATALOGUE.values() if archive.layout.name == "dermamnist"]
    assert [archive.name for archive in archives] == [
        "dermamnist",
        "dermamnist_64",
        "dermamnist_128",
        "dermamnist_224",
    ]
    hashes = [file.md5 for archive in archives for file in archive.files]
    assert len(set(hashes)) == 4
    assert None not in hashes


def test_find_is_case_insensitive():
    assert find_archive("HAM10000") is CATALOGUE["ham10000"]


def test_unknown_name_error_suggests_the_nearest():
    with pytest.raises(UsageError, match=r"isic2081.*Did you mean .*isic2018") as raised:
        find_archive("isic2081")
    assert all(name in str(raised.value) for name in CATALOGUE)
