"""Small archives to download, downloads without pauses between attempts, and checks of their result."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from residerm.data.archives.layouts import ham10000
from residerm.data.download.catalogue import PublicArchive, RemoteFile
from residerm.data.download.fetch import CHECKSUMS, fetch

BODY = random.Random(0).randbytes(100_000)
OTHER = random.Random(1).randbytes(100_000)
NOWHERE = "http://127.0.0.1:9/nothing-listens-here"


def make_archive(*files: RemoteFile) -> PublicArchive:
    return PublicArchive("tiny", ham10000.LAYOUT, 1, "doi:1", files)


def make_file_archive(*addresses: str, name: str = "images.bin", **facts) -> PublicArchive:
    return make_archive(RemoteFile(name, addresses, **facts))


def fetch_at_once(archive: PublicArchive, folder: Path, attempts: int = 3) -> Path:
    return fetch(archive, folder, attempts=attempts, pause=0)


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def make_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("ISIC_0000000.jpg", BODY)
    return stream.getvalue()


def assert_whole(folder: Path, body: bytes = BODY, name: str = "images.bin") -> None:
    assert (folder / name).read_bytes() == body
    assert json.loads((folder / CHECKSUMS).read_text())[name] == hashlib.sha256(body).hexdigest()
    assert file_names(folder) == {name, CHECKSUMS}


def start_fetch(address: str, folder: Path, name: str = "images.bin", **how: Any) -> subprocess.Popen[str]:
    """Start `data fetch` in a separate process whose catalogue has one archive."""
    program = f"""if True:
        import sys
        from residerm import cli
        from residerm.data.archives.layouts import ham10000
        from residerm.data.download.catalogue import CATALOGUE, PublicArchive, RemoteFile
        file = RemoteFile({name!r}, ({address!r},))
        CATALOGUE["tiny"] = PublicArchive("tiny", ham10000.LAYOUT, 1, "doi:1", (file,))
        sys.exit(cli.run(["data", "fetch", "tiny", "--out", {str(folder)!r}]))"""
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", program], **(streams | how))
