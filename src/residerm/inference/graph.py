"""Check the weights of an ONNX graph, read from its bytes: all must be inside the file, and finite.

ONNX allows a graph to load weights from other files at any path. Bundles never need that, so such a graph is refused
before any runtime opens it. NaN must be detected here because it may not reach the outputs: OpenVINO's ReLU turns it
into zero. Only the fields of ONNX's messages that lead to tensors are parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from residerm.inference.validation import BundleError

# Field number → kind of message, for each kind of message in onnx.proto that can contain tensors.
_HOLDS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "function": {7: "node", 11: "attribute"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
        "tensor": {},
    }
)
_DATA_TYPE, _FLOATS, _RAW, _DOUBLES, _EXTERNAL_DATA, _DATA_LOCATION = 2, 4, 9, 10, 13, 14
_TYPES: Mapping[int, str] = MappingProxyType({1: "<f4", 10: "<f2", 11: "<f8"})
_DEEPEST = 64
_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5


def require_sound_graph(graph: bytes, name: str) -> None:
    """Refuse bytes that are not a graph, and graphs that load other files or have weights that are not finite."""
    try:
        tensors = [dict(_fields(tensor)) for tensor in _tensors(memoryview(graph), "model", 0)]
    except (IndexError, RecursionError, ValueError) as error:
        raise BundleError(f"{name} is truncated, or is not an ONNX graph; export the model again") from error
    if any(_is_elsewhere(tensor) for tensor in tensors):
        raise BundleError(f"{name} refers to other files, which is refused; export the model again")
    if not all(_is_finite(tensor) for tensor in tensors):
        raise BundleError(f"{name} contains weights that are not finite; export the model again")


def finite(numbers: np.ndarray) -> bool:
    """Whether weights are finite; a single number may be infinite, like the limit of a clip."""
    return bool(np.isfinite(numbers).all()) or (numbers.size == 1 and not np.isnan(numbers).any())


def _tensors(message: memoryview, kind: str, depth: int) -> Iterator[memoryview]:
    """The tensors in a message, at any depth."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if kind == "tensor":
        yield message
    holds = _HOLDS[kind]
    for field, content in _fields(message):
        if field in holds and isinstance(content, memoryview):
            yield from _tensors(content, holds[field], depth + 1)


def _is_elsewhere(tensor: Mapping[int, memoryview | int]) -> bool:
    """Whether the values of a tensor are in another file."""
    return any(tensor.get(field, 0) != 0 for field in (_EXTERNAL_DATA, _DATA_LOCATION))


def _is_finite(tensor: Mapping[int, memoryview | int]) -> bool:
    """Whether the values of a tensor are finite; data of an invalid length is left to the runtime."""
    kind = tensor.get(_DATA_TYPE)
    raw = _TYPES.get(kind) if isinstance(kind, int) else None
    held = ((tensor.get(field), own) for field, own in ((_RAW, raw), (_FLOATS, "<f4"), (_DOUBLES, "<f8")) if own)
    return all(
        finite(np.frombuffer(content, own))
        for content, own in held
        if isinstance(content, memoryview) and len(content) % np.dtype(own).itemsize == 0
    )


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and content of each field of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if wire == _MESSAGE:
            length, at = _varint(message, at)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(message):
            raise IndexError("a field is cut off")
        yield field, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of one to ten bytes, and the position of the next field."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
