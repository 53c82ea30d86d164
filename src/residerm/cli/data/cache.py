"""`residerm data cache`: list or remove the caches of decoded images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from residerm.cli.console import out, show_json, show_table
from residerm.cli.options import Json


def cache_(
    name: str | None = None,
    *,
    clear: Annotated[bool, Parameter(help="Remove the caches: those of this name, or all.")] = False,
    json: Json = False,
) -> None:
    """List or clear the caches of decoded images; cleared images are decoded again when they are needed.

    Example: residerm data cache --clear

    Parameters
    ----------
    name
        The beginning of a cache's name. Default: all of them.
    """
    from rich.filesize import decimal

    from residerm.data.loading.caches import clear_caches, find_caches

    caches = find_caches(name)
    if clear:
        freed = clear_caches(caches)
        out.print(f"{len(caches):,} caches cleared, {decimal(freed)} freed")
    elif json:
        show_json([cache.to_dict() for cache in caches])
    elif caches:
        rows = [(one.name[:12], one.images, f"{one.size} px", decimal(one.bytes), one.used) for one in caches]
        show_table(str(caches[0].folder.parent), ("cache", "images", "size", "on disk", "last used"), rows)
        out.print(f"{decimal(sum(cache.bytes for cache in caches))} in total; residerm data cache --clear removes them")
    else:
        out.print("no caches")
