"""JSON documents: one pydantic class writes and reads each, and a damaged file gives a one-sentence error.

    class Summary(Document):
        epochs: int

    Summary(epochs=3).write(path)
    Summary.read(path).epochs

Fields that are None are omitted from the file. Fields added by a later version are ignored; a missing field or an
unknown format raises a `DocumentError` that names the file and says what to do: for a newer format, to update residerm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from residerm.errors import ResidermError, shortened
from residerm.files import new_file, read_regular

LARGEST = 2**28  # bytes of a document; data.json lists every image that was left out


class DocumentError(ResidermError):
    """A file written by residerm is damaged, or of another version."""


class Section(BaseModel):
    """A section of a document: immutable."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> str:
        """The section as JSON, as written to a file."""
        return _text(self.plain())

    def plain(self) -> object:
        """The section as plain data, for JSON."""
        return self.model_dump(mode="json", exclude_none=True)


class Document(Section):
    """A section that is stored as a file of its own."""

    remedy: ClassVar[str] = "remove it, and make it again"  # {folder} stands for the folder of the file

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the document from a file."""
        try:
            return cls.model_validate_json(read_regular(path, LARGEST))
        except (OSError, ValidationError) as error:
            raise DocumentError(_damaged(path, error, cls.remedy)) from error

    def write(self, path: Path, *, replace: bool = False) -> None:
        """Write the file atomically."""
        with new_file(path, replace=replace) as partial:
            partial.write_text(self.to_json(), encoding="utf-8")


Item = TypeVar("Item", bound=Section)


def read_list(kind: type[Item], path: Path, remedy: str) -> list[Item]:
    """Read a file that contains a list of sections."""
    try:
        return TypeAdapter(list[kind]).validate_json(read_regular(path, LARGEST))  # type: ignore[valid-type]
    except (OSError, ValidationError) as error:
        raise DocumentError(_damaged(path, error, remedy)) from error


def write_list(sections: Sequence[Section], path: Path) -> None:
    """Write a file that contains a list of sections."""
    path.write_text(_text([section.plain() for section in sections]), encoding="utf-8")


def _text(content: object) -> str:
    """As JSON; characters that JSON cannot represent (from a path that is not UTF-8) become question marks."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="replace").decode()


def newer_format(error: ValidationError) -> str | None:
    """What is wrong with a document whose `format` is newer than any that is known; None if its format is not."""
    first = _of_format(error)
    known = [int(one) for one in re.findall(r"\d+", first.get("ctx", {}).get("expected", ""))] if first else []
    if first is None or not isinstance(first["input"], int) or first["input"] <= max(known, default=first["input"]):
        return None
    return of_newer_version(first["input"])


def of_newer_version(number: int) -> str:
    """What is wrong with a file of a format that is not known yet, after its path."""
    return f"has format {shortened(number)}, from a newer version of residerm: update residerm"


def _of_format(error: ValidationError) -> ErrorDetails | None:
    return next((one for one in error.errors(include_url=False) if one["loc"][-1:] == ("format",)), None)


def _damaged(path: Path, error: OSError | ValidationError, remedy: str) -> str:
    if isinstance(error, ValidationError) and (newer := newer_format(error)):
        return f"{path} {newer}"
    return f"{path} cannot be used ({_reason(error)}): {remedy.format(folder=path.parent)}"


def _reason(error: OSError | ValidationError) -> str:
    """The first problem, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = _of_format(error) or error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["loc"][-1:] == ("format",):
        return f"its {place} {shortened(first['input'])} is not supported by this version of residerm"
    return f"{place}: {first['msg']}" if place else first["msg"]
