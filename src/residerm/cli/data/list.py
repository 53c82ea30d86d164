"""`residerm data list`: the public archives that can be downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.filesize import decimal

from residerm.cli.console import out, show_json, show_table
from residerm.cli.options import Json

if TYPE_CHECKING:
    from residerm.data.download.catalogue import PublicArchive


def list_(*, json: Json = False) -> None:
    """List the public archives that can be downloaded, with size, images, classes, licence and citation.

    Example: residerm data list
    """
    from residerm.data.download.catalogue import CATALOGUE

    archives = CATALOGUE.values()
    if json:
        show_json([archive.to_dict() for archive in archives])
        return
    rows = [
        (archive.name, archive.images, _size(archive), archive.layout.licence, " ".join(archive.classes))
        for archive in archives
    ]
    show_table("Archives that can be downloaded", ("name", "images", "size", "licence", "classes"), rows)
    layouts = {archive.layout.name: archive.layout for archive in archives}
    show_table("Citations", ("name", "papers"), [(name, layout.citation) for name, layout in layouts.items()])
    out.print("Sizes are rounded; where none is published, fetch asks the server.")
    out.print("To download one: residerm data fetch NAME --out FOLDER")


def _size(archive: PublicArchive) -> str:
    return f"{decimal(archive.about):>8}" if archive.about else "       –"
