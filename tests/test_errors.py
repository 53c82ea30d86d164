"""Messages: one line, with the way out."""

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
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full; make room, or choose another place"),
        (errno.EACCES, "permission denied; give this user permission, or choose another place"),
        (errno.ENOENT, "there is no such file or folder"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_what_the_system_says_is_explained(code, said):
    assert system_reason(OSError(code, os.strerror(code), "/some/file")) == said


def test_an_error_without_a_number_is_explained():
    assert system_reason(OSError("no address")) == "no address"
    assert system_reason(OSError()) == "OSError"


def test_many_names_are_cut_short():
    assert listed([]) == ""
    assert listed(range(5)) == "0, 1, 2, 3, 4"
    assert listed(iter("abcdefg"), most=3) == "a, b, c and 4 more"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("melanma", " Did you mean Melanoma?"),
        ("MELANOMA", " Did you mean Melanoma?"),
        ("ag", " Did you mean age?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_offered_as_it_is_spelled(name, said):
    assert nearest(name, ["Melanoma", "nevus", "age"]) == said


def test_what_cannot_be_shown_is_replaced():
    assert printable("Läsion – 5×7.jpg") == "Läsion – 5×7.jpg"
    assert printable(os.fsdecode(b"l\xe9sion\n\x1b[0m\t.jpg")) == "l?sion??[0m?.jpg"
