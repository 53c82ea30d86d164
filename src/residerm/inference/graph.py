"""What an ONNX graph asks for, read from its bytes alone: it must hold all of its numbers itself.

ONNX lets a graph name other files for its weights, by any path. Bundles never need that, so that a graph with such a
name is refused before any runtime opens it. Only the few fields of ONNX's messages that lead to tensors are followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

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
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DEEPEST = 64
_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5


def require_self_contained(graph: bytes, name: str) -> None:
    """Refuse a graph that asks for other files, and bytes that are no graph."""
    try:
        asks = _asks(memoryview(graph), "model", 0)
    except (IndexError, RecursionError, ValueError) as error:
        raise BundleError(f"{name} is truncated, or is no ONNX graph; export the model again") from error
    if asks:
        raise BundleError(f"{name} asks for files outside of it, which is refused; export the model again")


def _asks(message: memoryview, kind: str, depth: int) -> bool:
    """Whether a message holds a tensor whose numbers lie in another file."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    holds = _HOLDS[kind]
    for field, content in _fields(message):
        if kind == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION) and content != 0:
            return True
        if field in holds and isinstance(content, memoryview) and _asks(content, holds[field], depth + 1):
            return True
    return False


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
