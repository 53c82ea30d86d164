"""The cache has the right pixels, decodes each image once, and is complete or absent."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from system_limits import error_without_permissions, folder_for_all

from residerm import imaging
from residerm.config import PixelSpec
from residerm.data.archives import open_archive
from residerm.data.loading import cache as cache_module
from residerm.data.loading.cache import open_cache
from residerm.errors import ArchiveError, WriteError

SPEC = PixelSpec(size=16)


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two classes of images in folders."""
    for number in range(150):
        place = tmp_path / "archive" / ("mel" if number % 3 else "nv") / f"{number:03d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number))
    return tmp_path / "archive"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def caches(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.is_dir()]


def test_pixels_match_direct_reading(archive: Path, folder: Path) -> None:
    records = open_archive(archive)
    cache = open_cache(records, SPEC, folder=folder)
    assert cache.pixels.shape == (150, 16, 16, 3)
    for row in range(150):
        assert (cache.pixels[row] == imaging.read(records.read(row), SPEC)).all()


def test_second_opening_decodes_nothing(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = open_cache(open_archive(archive), SPEC, folder=folder)
    monkeypatch.setattr(imaging, "read", lambda *_: pytest.fail("decoded again"))
    opened = open_cache(open_archive(archive), SPEC, folder=folder)
    assert opened.folder == built.folder
    assert (opened.pixels == built.pixels).all()


def test_packed_and_unpacked_archives_share_a_cache(archive: Path, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        for place in sorted(archive.rglob("*.jpg")):
            packed.write(place, place.relative_to(archive))
    unpacked = open_cache(open_archive(archive), SPEC, folder=folder)
    assert open_cache(open_archive(tmp_path / "packed.zip"), SPEC, folder=folder).folder == unpacked.folder


def test_cache_depends_on_size_filter_and_content(archive: Path, folder: Path) -> None:
    specs = [SPEC, PixelSpec(size=8), PixelSpec(size=16, filter="box"), PixelSpec(size=16, aspect="crop")]
    places = {open_cache(open_archive(archive), spec, folder=folder).folder for spec in specs}
    (archive / "nv" / "000.jpg").write_bytes(jpeg(999))
    changed = open_cache(open_archive(archive), SPEC, folder=folder)
    assert len(places | {changed.folder}) == 5
    assert (changed.pixels[75:] != 0).any()


def test_unreadable_image_is_an_error_without_a_cache(archive: Path, folder: Path) -> None:
    (archive / "nv" / "003.jpg").write_bytes(jpeg(3)[:400])
    (archive / "nv" / "006.jpg").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"2 of 150 images cannot be read: .*003\.jpg.*`on_bad_image=skip`"):
        open_cache(open_archive(archive), SPEC, folder=folder)
    assert caches(folder) == []


def test_skipped_image_is_included_after_repair(archive: Path, folder: Path) -> None:
    bad = archive / "nv" / "003.jpg"
    bad.write_bytes(b"no image")
    records = open_archive(archive)
    row = next(row for row in range(150) if "003" in records.image_id(row))
    skipped = open_cache(records, SPEC, folder=folder, on_bad_image="skip")
    assert list(skipped.unreadable) == [row]
    assert not skipped.pixels[row].any()
    with pytest.raises(ArchiveError, match=r"003\.jpg"):
        open_cache(records, SPEC, folder=folder)
    bad.write_bytes(jpeg(3))
    mended = open_cache(open_archive(archive), SPEC, folder=folder)
    assert not mended.unreadable
    assert mended.pixels[row].any()


BUILD = """
    import os, sys, time
    from pathlib import Path
    from residerm import imaging
    from residerm.config import PixelSpec
    from residerm.data.archives import open_archive
    from residerm.data.loading.cache import open_cache
    read = imaging.read
    def slowly(data, spec):
        os.write(1, b"decoding\\n")
        time.sleep(0.005)
        return read(data, spec)
    imaging.read = slowly
    cache = open_cache(open_archive(sys.argv[1]), PixelSpec(size=16), folder=Path(sys.argv[2]))
    print("pixels", int(cache.pixels.sum()), flush=True)
"""


def start_build(archive: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(BUILD), str(archive), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_only_one_process_builds(archive: Path, folder: Path) -> None:
    outputs = [process.communicate(timeout=60)[0] for process in [start_build(archive, folder) for _ in range(2)]]
    assert sorted(output.count("decoding") for output in outputs) == [0, 150]
    assert len({output.split()[-1] for output in outputs}) == 1
    assert len(caches(folder)) == 1


def test_killed_build_leaves_no_cache(archive: Path, folder: Path) -> None:
    process = start_build(archive, folder)
    assert process.stdout is not None
    for _ in range(20):
        assert "decoding" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [name for name in caches(folder) if name.endswith(".partial")]
    records = open_archive(archive)
    rebuilt = open_cache(records, SPEC, folder=folder)
    assert (rebuilt.pixels[149] == imaging.read(records.read(149), SPEC)).all()
    assert caches(folder) == [rebuilt.folder.name]


def test_keyboard_interrupt_leaves_no_cache(archive: Path, folder: Path) -> None:
    process = start_build(archive, folder)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert caches(folder) == []


def test_insufficient_disk_space_is_refused_before_building(
    archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = cache_module.shutil.disk_usage(archive)
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(WriteError, match=r"the cache needs 0\.\d MB .* free some space, or set RESIDERM_CACHE"):
        open_cache(open_archive(archive), SPEC, folder=folder)
    assert caches(folder) == []


def test_full_disk_is_one_message(archive: Path, folder: Path) -> None:
    """A limit on the size of files replaces the full disk: the kernel fails in the same place."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n" + textwrap.dedent(BUILD)
    ran = subprocess.run(
        [sys.executable, "-c", limited, str(archive), str(folder)], capture_output=True, text=True, check=False
    )
    assert "WriteError: cannot write" in ran.stderr
    assert "decoding" not in ran.stdout
    assert caches(folder) == []


def test_invalid_cache_folder_is_one_message(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="file"):
        open_cache(open_archive(archive), SPEC, folder=tmp_path / "file" / "cache")


def test_folder_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESIDERM_CACHE", str(tmp_path))
    assert cache_module.default_folder() == tmp_path
    monkeypatch.delenv("RESIDERM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_module.default_folder() == tmp_path / "xdg" / "residerm"


def test_file_hashes_are_cached(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_cache(open_archive(archive), SPEC, folder=folder)
    touched = archive / "nv" / "000.jpg"
    os.utime(touched, ns=(1, 1))
    hashed: list[int] = []
    monkeypatch.setattr(cache_module, "_crc", lambda _, row: hashed.append(row) or 0)
    records = open_archive(archive)
    cache_module._key(records, SPEC, folder)
    assert [records.image_id(row) for row in hashed] == ["nv/000.jpg"]


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\x00" + bytes(4000)])
def test_damaged_hash_cache_is_rebuilt(archive: Path, folder: Path, damage: bytes) -> None:
    first = open_cache(open_archive(archive), SPEC, folder=folder)
    (folder / "files.sqlite").write_bytes(damage)
    assert open_cache(open_archive(archive), SPEC, folder=folder).folder == first.folder
    assert (folder / "files.sqlite").stat().st_size > 4096


def test_truncated_hash_cache_is_rebuilt(archive: Path, folder: Path) -> None:
    first = open_cache(open_archive(archive), SPEC, folder=folder)
    os.truncate(folder / "files.sqlite", (folder / "files.sqlite").stat().st_size // 2)
    assert open_cache(open_archive(archive), SPEC, folder=folder).folder == first.folder


@pytest.mark.parametrize(("name", "left"), [("cache.json", 10), ("cache.json", 0), ("pixels.raw", 1000)])
def test_damaged_cache_is_rebuilt(archive: Path, folder: Path, name: str, left: int) -> None:
    first = open_cache(open_archive(archive), SPEC, folder=folder)
    expected = np.array(first.pixels)
    os.truncate(first.folder / name, left)
    assert (open_cache(open_archive(archive), SPEC, folder=folder).pixels == expected).all()


def test_read_only_cache_is_opened() -> None:
    """As on a shared cluster: users without write permission read it, or get an error if it is incomplete."""
    with folder_for_all() as shared:
        for number in range(6):
            place = shared / "archive" / ("mel" if number % 3 else "nv") / f"{number:03d}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(jpeg(number))
        records, folder = open_archive(shared / "archive"), shared / "cache"
        whole = open_cache(records, SPEC, folder=folder)
        subprocess.run(["chmod", "-R", "a+rX,go-w", shared], check=True)
        expected = whole.pixels.sum()
        message = error_without_permissions(lambda: int(open_cache(records, SPEC, folder=folder).pixels.sum()))
        assert message == f"nothing: it returned {expected}"
        message = error_without_permissions(lambda: open_cache(records, PixelSpec(size=8), folder=folder))
        assert message.startswith(f"WriteError: cannot write {folder}: permission denied")
        assert "set RESIDERM_CACHE to another folder" in message
