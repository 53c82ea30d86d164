"""The weights of an ONNX graph, read from its bytes alone: it must hold all of them itself, and they must be finite.

ONNX lets a graph name other files for its weights, by any path. Bundles never need that, so that a graph with such a
name is refused before any runtime opens it. A NaN is looked for here because it need not reach the outputs: OpenVINO's
ReLU makes a zero of it. Only the few fields of ONNX's messages that lead to tensors are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from residerm.inference.validation import BundleError

# Field number → kind of message, for each kind of message in onnx.proto that can hold tensors.
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
    """Refuse a graph that asks for other files or holds numbers that are not finite, and bytes that are no graph."""
    try:
        tensors = [dict(_fields(tensor)) for tensor in _tensors(memoryview(graph), "model", 0)]
    except (IndexError, RecursionError, ValueError) as error:
        raise BundleError(f"{name} is truncated, or is no ONNX graph; export the model again") from error
    if any(_is_elsewhere(tensor) for tensor in tensors):
        raise BundleError(f"{name} asks for files outside of it, which is refused; export the model again")
    if not all(_is_finite(tensor) for tensor in tensors):
        raise BundleError(f"{name} holds weights that are not finite; export the model again")


def finite(numbers: np.ndarray) -> bool:
    """Whether weights are finite; a single number may be infinite, as the limit of a clip is."""
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
    """Whether a tensor's numbers lie in another file."""
    return any(tensor.get(field, 0) != 0 for field in (_EXTERNAL_DATA, _DATA_LOCATION))


def _is_finite(tensor: Mapping[int, memoryview | int]) -> bool:
    """Whether a tensor's numbers are finite; those of a length that fits no number are left to the runtime."""
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
    """A number of one to ten bytes, and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
