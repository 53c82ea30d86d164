"""Combine the descriptions of several models into that of an ensemble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from residerm.config import PixelSpec
from residerm.description import ModelDescription
from residerm.errors import UsageError


def described_together(members: Sequence[ModelDescription], paths: Sequence[Path]) -> ModelDescription:
    """The description of an ensemble; an error if classes, task or pixels differ."""
    first = members[0]
    for member, path in zip(members[1:], paths[1:], strict=True):
        for name in ("classes", "task", "pixels"):
            own, other = getattr(first, name), getattr(member, name)
            if own != other:
                differ = f"{_text(own, other)}; {_text(other, own)}"
                raise UsageError(f"{paths[0]} and {path} cannot be averaged: their {name} differ ({differ})")
    return first.model_copy(
        update={
            "model": " + ".join(member.model for member in members),
            "resnet": type(first.resnet)(),
            "members": len(members),
            "prior": tuple(sum(shares) / len(members) for shares in zip(*(one.prior for one in members), strict=True)),
            "archive": _together(member.archive for member in members),
            "synthetic": any(member.synthetic for member in members),
            "data_licence": _together(member.data_licence for member in members),
            "data_citation": _together(member.data_citation for member in members),
            "trained_on": max(member.trained_on for member in members),
            "selected_by": _together(member.selected_by for member in members),
            "validation": {},
            "trust": None,  # trust fitted for one member is not valid for the mean
        }
    )


def _together(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _text(value: object, other: object) -> str:
    """A value in words; of the specification of pixels, only what is different from the other one."""
    if isinstance(value, PixelSpec):
        names = (name for name in PixelSpec.model_fields if getattr(value, name) != getattr(other, name))
        return ", ".join(f"{name} {getattr(value, name)}" for name in names)
    return ", ".join(value) if isinstance(value, tuple) else str(value)
