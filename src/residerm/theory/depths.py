"""The depths that networks for small images have: 6n + 2 layers, in 3 stages of n blocks of two convolutions."""

from __future__ import annotations

from residerm.errors import UsageError


def blocks_per_stage(depth: int) -> int:
    """n of the network with so many layers; a depth that none has is refused, with its neighbours."""
    blocks, left = divmod(depth - 2, 6)
    if left or blocks < 1:
        near = sorted({6 * max(blocks, 1) + 2, 6 * max(blocks + 1, 1) + 2})
        raise UsageError(
            f"a depth of {depth}: no such network has it; they have 6n + 2 layers, such as "
            f"{' or '.join(map(str, near))} (published are 20, 32, 44, 56 and 110)"
        )
    return blocks
