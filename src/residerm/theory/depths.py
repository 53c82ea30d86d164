"""The depths of networks for small images: 6n + 2 layers, in 3 stages of n blocks of two convolutions."""

from __future__ import annotations

from residerm.errors import UsageError

_DEEPEST = 2000  # 999 blocks; a network by name has at most 1,000


def blocks_per_stage(depth: int) -> int:
    """The n of a network with this number of layers; the error for an invalid depth suggests the nearest ones."""
    if depth > _DEEPEST:
        raise UsageError(f"a depth of {depth} is not possible; networks have at most {_DEEPEST:,} layers")
    blocks, left = divmod(depth - 2, 6)
    if left or blocks < 1:
        near = sorted({6 * max(blocks, 1) + 2, 6 * max(blocks + 1, 1) + 2})
        raise UsageError(
            f"a depth of {depth} is not possible; networks have 6n + 2 layers, such as "
            f"{' or '.join(map(str, near))} (published are 20, 32, 44, 56 and 110)"
        )
    return blocks
