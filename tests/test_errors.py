"""Error messages have one line and name a remedy."""

from __future__ import annotations

import errno
import os

import pytest

from residerm.errors import (
    ArchiveError,
    ImageError,
    ResidermError,
    UsageError,
    WriteError,
    listed,
    nearest,
    printable,
    system_reason,
)


def test_exit_codes():
    assert {kind.exit_code for kind in (ResidermError, ArchiveError, ImageError, WriteError)} == {1}
    assert UsageError.exit_code == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full; make room, or choose another place"),
        (errno.EACCES, "permission denied; give this user permission, or choose another place"),
        (errno.ENOENT, "there is no such file or folder"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_operating_system_errors_are_explained(code, message):
    assert system_reason(OSError(code, os.strerror(code), "/some/file")) == message


def test_error_without_errno():
    assert system_reason(OSError("no address")) == "no address"
    assert system_reason(OSError()) == "OSError"


def test_long_lists_of_names_are_shortened():
    assert listed([]) == ""
    assert listed(range(5)) == "0, 1, 2, 3, 4"
    assert listed(iter("abcdefg"), most=3) == "a, b, c and 4 more"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("melanma", " Did you mean Melanoma?"),
        ("MELANOMA", " Did you mean Melanoma?"),
        ("ag", " Did you mean age?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_nearest_name_is_suggested_with_its_spelling(name, message):
    assert nearest(name, ["Melanoma", "nevus", "age"]) == message


def test_unprintable_characters_are_replaced():
    assert printable("Läsion – 5×7.jpg") == "Läsion – 5×7.jpg"
    assert printable(os.fsdecode(b"l\xe9sion\n\x1b[0m\t.jpg")) == "l?sion??[0m?.jpg"
