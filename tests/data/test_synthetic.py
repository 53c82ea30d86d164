"""The synthetic archive: its images, reproducibility, and reading like any other archive."""

import csv
import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import combinations
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from recorded_progress import RecordedProgress
from system_limits import error_without_permissions, folder_for_all, tiny_disk

from residerm.config import SyntheticOptions
from residerm.data.archives import open_archive
from residerm.data.synthetic import draw_archive
from residerm.data.synthetic.canvas import Canvas, View
from residerm.data.synthetic.lesions import Pigments
from residerm.data.synthetic.photographs import draw_photograph
from residerm.data.synthetic.plan import HAM10000_IMAGES, lesions_by_class, plan
from residerm.data.synthetic.recipes import RECIPES, draw_lesion
from residerm.data.synthetic.skin import colours
from residerm.errors import WriteError

OPTIONS = SyntheticOptions(images=80, width=64, height=48, seed=3)
MASKS = "HAM10000_segmentations_lesion_tschandl"
FILES = {
    "HAM10000_images_part_1.zip",
    "HAM10000_images_part_2.zip",
    "HAM10000_metadata.csv",
    f"{MASKS}.zip",
    "synthetic.json",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_archive(tmp_path_factory.mktemp("synthetic") / "archive", OPTIONS, processes=1)


@pytest.fixture(scope="module")
def rows(archive: Path) -> list[dict[str, str]]:
    with (archive / "HAM10000_metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def pictures(archive: Path) -> dict[str, Image.Image]:
    return {name.removesuffix(".jpg"): image for part in (1, 2) for name, image in images_of(archive, part).items()}


@pytest.fixture(scope="module")
def masks(archive: Path) -> dict[str, Image.Image]:
    with ZipFile(archive / f"{MASKS}.zip") as packed:
        members = {name: Image.open(io.BytesIO(packed.read(name))) for name in packed.namelist()}
    return {name.removeprefix(f"{MASKS}/").removesuffix("_segmentation.png"): mask for name, mask in members.items()}


def images_of(archive: Path, part: int) -> dict[str, Image.Image]:
    with ZipFile(archive / f"HAM10000_images_part_{part}.zip") as packed:
        assert {entry.compress_type for entry in packed.infolist()} == {ZIP_STORED}
        return {name: Image.open(io.BytesIO(packed.read(name))) for name in packed.namelist()}


def hashes(archive: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in archive.iterdir()}


def lesion(canvas: Canvas, seed: int, diagnosis: str) -> Pigments:
    return draw_lesion(canvas, np.random.default_rng(seed), diagnosis)[1]


def test_archive_is_reproducible_with_any_number_of_processes(archive: Path, tmp_path: Path) -> None:
    assert hashes(draw_archive(tmp_path / "again", OPTIONS, processes=2)) == hashes(archive)


def test_every_file_depends_on_the_seed(archive: Path, tmp_path: Path) -> None:
    other = hashes(draw_archive(tmp_path / "other", OPTIONS.model_copy(update={"seed": 4}), processes=1))
    assert other.keys() == hashes(archive).keys()
    assert not set(other.values()) & set(hashes(archive).values())


def test_layout_is_that_of_ham10000(archive: Path, rows: list[dict[str, str]]) -> None:
    assert {file.name for file in archive.iterdir()} == FILES
    assert list(rows[0]) == ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"]
    named = [f"SYNTH_{number:07d}" for number in range(1, 81)]
    assert sorted(row["image_id"] for row in rows) == named
    assert list(images_of(archive, 1)) == [f"{name}.jpg" for name in named[:40]]
    assert list(images_of(archive, 2)) == [f"{name}.jpg" for name in named[40:]]
    with ZipFile(archive / f"{MASKS}.zip") as packed:
        assert packed.namelist() == [f"{MASKS}/{name}_segmentation.png" for name in named]
    assert {row["dataset"] for row in rows} == {"synthetic"}
    assert all(row["lesion_id"].startswith("SYN_") for row in rows)


def test_images_are_jpegs_and_masks_have_one_bit(
    pictures: dict[str, Image.Image], masks: dict[str, Image.Image]
) -> None:
    assert {(image.format, image.mode, image.size) for image in pictures.values()} == {("JPEG", "RGB", (64, 48))}
    assert {(mask.format, mask.mode, mask.size) for mask in masks.values()} == {("PNG", "1", (64, 48))}
    assert all(0.01 < np.asarray(mask).mean() < 0.99 for mask in masks.values())


def test_marker_describes_the_archive(archive: Path, rows: list[dict[str, str]]) -> None:
    marker = json.loads((archive / "synthetic.json").read_text(encoding="utf-8"))
    by_class = Counter({row["lesion_id"]: row["dx"] for row in rows}.values())
    assert marker["synthetic"] is True
    assert marker["licence"] == "CC0-1.0"
    assert SyntheticOptions(**marker["options"]) == OPTIONS
    assert (marker["images"], marker["lesions"]) == (80, len({row["lesion_id"] for row in rows}))
    assert marker["lesions_by_class"] == dict(sorted(by_class.items()))


def test_archive_is_read_like_any_other(archive: Path, rows: list[dict[str, str]]) -> None:
    records = open_archive(archive)
    expected = {row["image_id"]: (row["dx"], row["lesion_id"]) for row in rows}
    assert records.layout.name == "synthetic"
    assert {records.image_id(row): records.group(row) for row in range(len(records))} == {
        image_id: lesion_id for image_id, (_, lesion_id) in expected.items()
    }
    assert [records.classes[label] for label in records.labels] == [
        expected[records.image_id(row)][0] for row in range(len(records))
    ]
    assert all(records.read_mask(row) for row in range(len(records)))


def test_masks_cover_the_lesions(
    rows: list[dict[str, str]], pictures: dict[str, Image.Image], masks: dict[str, Image.Image]
) -> None:
    pigmented = [row["image_id"] for row in rows if row["dx"] in ("mel", "nv", "vasc")]
    darker = 0
    for image_id in pigmented:
        grey, mask = np.asarray(pictures[image_id].convert("L"), dtype=float), np.asarray(masks[image_id])
        near = np.asarray(masks[image_id].convert("L").resize((8, 6)).resize((64, 48))) > 0
        darker += grey[mask].mean() < 0.93 * grey[near & ~mask].mean() if (near & ~mask).any() else 1
    assert darker >= 0.9 * len(pigmented)


@pytest.mark.parametrize("images", [70, 333, 2000, 10_000])
def test_class_frequencies_resemble_ham10000(images: int) -> None:
    photographs = plan(SyntheticOptions(images=images))
    lesions = Counter({photograph.case: 1 for photograph in photographs})
    counts = Counter(case.diagnosis for case in lesions)
    assert len(photographs) == images
    assert counts == lesions_by_class(len(lesions))
    assert min(counts.values()) >= 0.05 * len(lesions)
    assert 0.5 < counts["nv"] / len(lesions) < 0.6
    for diagnosis in ("bkl", "mel"):
        assert counts[diagnosis] == pytest.approx(len(lesions) * HAM10000_IMAGES[diagnosis] / 10_015, abs=1)


def test_small_archive_has_enough_lesions_of_each_class() -> None:
    cases = {photograph.case for photograph in plan(SyntheticOptions())}
    assert min(Counter(case.diagnosis for case in cases).values()) // 5 >= 15


def test_a_quarter_of_lesions_has_several_images() -> None:
    times = Counter(photograph.case.number for photograph in plan(SyntheticOptions()))
    lesions = Counter(times.values())
    assert set(lesions) == {1, 2, 3}
    assert (lesions[2] + lesions[3]) / len(times) == pytest.approx(0.25, abs=0.001)
    assert lesions[3] / (lesions[2] + lesions[3]) == pytest.approx(0.25, abs=0.01)


def test_patients_resemble_ham10000() -> None:
    cases = {photograph.case for photograph in plan(SyntheticOptions(images=10_000))}
    ages = {name: [case.age for case in cases if case.diagnosis == name and case.age is not None] for name in RECIPES}
    assert 0.002 < sum(case.age is None for case in cases) / len(cases) < 0.012
    assert all(age % 5 == 0 and 0 <= age <= 85 for known in ages.values() for age in known)
    assert np.mean(ages["bcc"]) > 60 > 50 > np.mean(ages["nv"])
    assert {case.sex for case in cases} == {"male", "female", "unknown"}
    assert all(case.confirmed_by == "histo" for case in cases if case.diagnosis == "mel")


def test_class_is_independent_of_ids_and_order() -> None:
    photographs = plan(SyntheticOptions(images=3000))
    for start in range(0, 3000, 500):
        part = [photograph.case.diagnosis for photograph in photographs[start : start + 500]]
        assert 0.48 < part.count("nv") / 500 < 0.64


@pytest.mark.parametrize("diagnosis", sorted(RECIPES))
def test_rotated_view(diagnosis: str) -> None:
    straight = lesion(Canvas(96, 96, View()), 5, diagnosis)
    turned = lesion(Canvas(96, 96, View(turn=np.pi / 2)), 5, diagnosis)
    for name, plane in vars(straight).items():
        if plane.any():  # between two lesions the correlation of sparse planes is about 0
            assert np.corrcoef(np.rot90(vars(turned)[name], k=-1).ravel(), plane.ravel())[0, 1] > 0.6, name


def test_shifted_view() -> None:
    straight = lesion(Canvas(96, 96, View()), 5, "mel").melanin
    shifted = lesion(Canvas(96, 96, View(aside=(12 / 96, -6 / 96))), 5, "mel").melanin
    np.testing.assert_allclose(shifted[6:, :-12], straight[:-6, 12:], atol=1e-3)


def test_magnified_view() -> None:
    straight = lesion(Canvas(96, 96, View()), 5, "nv").melanin
    nearer = lesion(Canvas(96, 96, View(zoom=2)), 5, "nv").melanin
    halved = nearer.reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), straight[24:72, 24:72].ravel())[0, 1] > 0.98


def test_noise_has_the_given_deviation_and_scale() -> None:
    fine, coarse = (np.stack([noise(size, seed) for seed in range(50)]) for size in (0.05, 0.4))
    for field in (fine, coarse):
        assert abs(field.mean()) < 0.2
        assert field.std() == pytest.approx(1, abs=0.15)
    assert likeness(fine, pixels=30) < 0.15 < 0.8 < likeness(fine, pixels=1)
    assert likeness(coarse, pixels=15) > 0.8


def noise(size: float, seed: int) -> np.ndarray:
    return Canvas(128, 128, View()).noise(np.random.default_rng(seed), size)


def likeness(fields: np.ndarray, pixels: int) -> float:
    return float((fields[:, :, pixels:] * fields[:, :, :-pixels]).mean() / fields.var())


def test_pigments_follow_the_beer_lambert_law() -> None:
    def plane(value: float) -> np.ndarray:
        return np.full((1, 1), value, dtype=np.float32)

    def seen(**amounts: float) -> np.ndarray:
        names = ("melanin", "blood", "blue", "white", "keratin")
        lesion = Pigments(*(plane(amounts.get(name, 0)) for name in names))
        return colours(Pigments(*(plane(0) for _ in names)), lesion).ravel()

    bare = seen()
    for pigment in ("melanin", "blood", "blue"):
        np.testing.assert_allclose(seen(**{pigment: 2}) / bare, (seen(**{pigment: 1}) / bare) ** 2, rtol=1e-5)
    red, green, blue = seen(melanin=1) / bare
    assert red > green > blue  # brown
    red, green, blue = seen(blood=1) / bare
    assert red > blue > green
    red, green, blue = seen(blue=1) / bare
    assert blue > green > red
    assert seen(melanin=1, white=0.5).sum() > seen(melanin=1).sum()


def test_images_of_a_lesion_are_more_similar_than_lesions_of_a_class() -> None:
    options = SyntheticOptions(images=300, width=64, height=48)
    repeated = Counter(photograph.case.number for photograph in plan(options))
    shown = [shot for shot in plan(options) if repeated[shot.case.number] > 1 and shot.case.diagnosis == "nv"]
    shown = sorted(shown, key=lambda shot: shot.case.number)[:50]
    tones = {
        shot: np.percentile(np.asarray(draw_photograph(shot, options)[0]), range(5, 100, 10), axis=(0, 1))
        for shot in shown
    }
    distances: dict[bool, list[float]] = {True: [], False: []}
    for one, other in combinations(shown, 2):
        distances[one.case == other.case].append(float(np.abs(tones[one] - tones[other]).mean()))
    assert len(distances[True]) >= 20
    assert np.mean(distances[True]) < 0.6 * np.mean(distances[False])


def test_class_is_independent_of_mean_colour_and_size() -> None:
    options = SyntheticOptions(images=210, width=64, height=48)
    shown = [draw_photograph(photograph, options) for photograph in plan(options)]
    diagnoses = np.array([photograph.case.diagnosis for photograph in plan(options)])
    features = np.array([looks(*drawn) for drawn in shown])
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    recalls = []
    for diagnosis in RECIPES:
        centres = np.stack([features[diagnoses == name].mean(axis=0) for name in RECIPES])
        mine = features[diagnoses == diagnosis]
        nearest = np.linalg.norm(mine[:, None] - centres, axis=-1).argmin(axis=1)
        recalls.append(np.mean(nearest == list(RECIPES).index(diagnosis)))
    assert np.mean(recalls) < 0.6  # even of those that the centres come from


def looks(picture: Image.Image, mask: Image.Image) -> np.ndarray:
    pixels, inside = np.asarray(picture, dtype=float), np.asarray(mask)
    return np.array([*pixels[inside].mean(axis=0), *pixels[~inside].mean(axis=0), inside.mean()])


def test_progress_reports_every_image_once(tmp_path: Path) -> None:
    progress = RecordedProgress()
    draw_archive(tmp_path / "archive", OPTIONS, progress, processes=1)
    assert progress.steps == [(done, 80) for done in range(1, 81)]


def test_existing_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    assert draw_archive(tmp_path / "archive", OPTIONS, processes=1) == tmp_path / "archive"


def test_folder_with_files_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear")
    with pytest.raises(WriteError, match=f"{tmp_path} already exists") as error:
        draw_archive(tmp_path, OPTIONS, RecordedProgress(lambda *_: pytest.fail("it drew")), processes=1)
    assert "\n" not in str(error.value)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("diary.txt", "dear")]


def test_full_disk_is_one_message() -> None:
    with tiny_disk(kilobytes=60) as folder:
        with pytest.raises(WriteError, match=f"cannot write {folder}/archive: the disk is full"):
            draw_archive(folder / "archive", OPTIONS, processes=2)
        assert not list(folder.iterdir())


def test_missing_permission_is_one_message() -> None:
    with folder_for_all() as folder:
        message = error_without_permissions(lambda: draw_archive(folder / "archive", OPTIONS, processes=1))
        assert message.startswith(f"WriteError: cannot write {folder}/archive: permission denied")
        assert not list(folder.iterdir())


def test_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_archive(tmp_path / "archive", OPTIONS, RecordedProgress(interrupt), processes=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the children of a process in /proc")
def test_killing_the_program_ends_its_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from residerm.config import SyntheticOptions\n"
        "from residerm.data.synthetic import draw_archive\n"
        "from residerm.progress import Progress\n"
        "shown = Progress(); shown.advance = lambda *_: print(flush=True)\n"
        "draw_archive(Path(sys.argv[1]), SyntheticOptions(images=5000), shown, processes=2)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "archive")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.readline()
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert len(children) == 2
    assert wait_until(lambda: not any(is_running(child) for child in children), seconds=20)


def is_running(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(
    "bad", [{"images": 69}, {"width": 47}, {"height": 2000}, {"seed": -1}, {"images": "many"}, {"pictures": 100}]
)
def test_invalid_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SyntheticOptions(**bad)


@pytest.mark.parametrize("size", [(48, 48), (48, 120), (300, 60)])
def test_any_image_size(size: tuple[int, int]) -> None:
    options = SyntheticOptions(images=70, width=size[0], height=size[1])
    for photograph in plan(options)[:5]:
        picture, mask = draw_photograph(photograph, options)
        assert picture.size == mask.size == size
        assert np.asarray(picture).std() > 3
