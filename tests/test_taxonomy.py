"""Names of diagnoses, and mappings of classes."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from residerm.errors import UsageError
from residerm.taxonomy import NAMES, ClassMapping, canonical, known, mapping_for, unchanged, without

SEVEN = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
DIAGNOSES = tuple(name for name in NAMES if name not in ("benign", "malignant", "melanoma", "not_melanoma"))
TASKS = {"malignancy": ("benign", "malignant"), "melanoma": ("not_melanoma", "melanoma")}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("MEL", "mel"),
        ("melanoma", "mel"),
        (" Melanoma ", "mel"),
        ("Melanocytic  nevi", "nv"),
        ("nevus", "nv"),
        ("Actinic keratoses", "akiec"),
        ("actinic keratosis", "ak"),
        ("Benign keratosis-like lesions", "bkl"),
        ("basal_cell_carcinoma", "bcc"),
        ("basal-cell-carcinoma", "bcc"),
        ("Seborrheic_Keratosis", "sk"),
        ("Vascular lesions", "vasc"),
        ("not_melanoma", "not_melanoma"),
        ("Malignant", "malignant"),
        ("Golden Retriever ", "Golden Retriever"),
    ],
)
def test_spellings_of_a_diagnosis(written: str, code: str) -> None:
    assert canonical(written) == code
    assert canonical(code) == (code if code != "melanoma" else "mel")


@pytest.mark.parametrize("label", ["UNK", "unknown", " Unknown "])
def test_unknown_is_not_a_label(label: str) -> None:
    assert known(label) is None
    assert known("nv") == "nv"


@pytest.mark.parametrize(
    ("task", "second"),
    [("malignancy", {"akiec", "ak", "bcc", "mel", "scc"}), ("melanoma", {"mel"})],
)
def test_classes_of_a_task(task: str, second: set[str]) -> None:
    mapping = mapping_for(task, DIAGNOSES)
    assert mapping.classes == TASKS[task]
    assert {name for name in DIAGNOSES if mapping.target(name) == mapping.classes[1]} == second


subsets = st.sets(st.sampled_from(DIAGNOSES), min_size=1).map(sorted).map(tuple)
probabilities = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(classes=subsets, task=st.sampled_from([*TASKS, "diagnosis"]), random=probabilities)
def test_probabilities_are_summed(classes: tuple[str, ...], task: str, random) -> None:
    mapping = mapping_for(task, classes)
    given_ = random.dirichlet(np.ones(len(classes)), size=5)  # (5, S)
    translated = given_ @ mapping.matrix(classes)
    assert np.allclose(translated.sum(axis=1), 1)
    for column, name in enumerate(mapping.classes):
        sources = [classes.index(source) for source in classes if mapping.target(source) == name]
        assert np.allclose(translated[:, column], given_[:, sources].sum(axis=1))


@given(classes=subsets, task=st.sampled_from([*TASKS, "diagnosis"]), data=st.data())
def test_labels_and_probabilities_are_mapped_consistently(
    classes: tuple[str, ...], task: str, data: st.DataObject
) -> None:
    left_out = data.draw(st.sets(st.sampled_from(classes)))
    mapping = without(mapping_for(task, classes), left_out)
    matrix = mapping.matrix(classes)
    for row, source in enumerate(classes):
        target = mapping.target(source)
        expected = [name == target for name in mapping.classes]
        assert matrix[row].tolist() == expected
        assert (target is None) == (source in left_out)
    assert all(matrix.any(axis=0))  # no class that nothing leads to


@given(classes=subsets)
def test_mapping_is_idempotent(classes: tuple[str, ...]) -> None:
    for task, targets in TASKS.items():
        again = mapping_for(task, targets)
        assert again.targets == {name: name for name in targets} == unchanged(task, targets).targets
        assert [again.target(mapping_for(task, classes).target(name)) for name in classes] == [
            mapping_for(task, classes).target(name) for name in classes
        ]


@pytest.mark.parametrize(
    ("task", "classes", "says"),
    [
        ("malignancy", ("not_melanoma", "melanoma"), "class not_melanoma is ambiguous.*use `task=melanoma`"),
        ("melanoma", ("benign", "malignant"), "class malignant is ambiguous.*use `task=malignancy`"),
        ("malignancy", ("cat", "nv"), "class cat is ambiguous: .*akiec"),
        ("diagnosis", ("benign", "malignant"), "classes benign, malignant are those of a two-class task"),
        ("diagnosis", ("not_melanoma", "melanoma"), "not diagnoses"),
    ],
)
def test_insufficient_classes_are_refused(task: str, classes: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=f"`task={task}`: {says}" if says.startswith("class") else says):
        mapping_for(task, classes)


def test_unknown_is_excluded_from_every_task() -> None:
    for task in ("diagnosis", *TASKS):
        mapping = mapping_for(task, (*SEVEN, "unk"))
        assert mapping.target("unk") is None
        assert mapping.matrix((*SEVEN, "unk"))[-1].sum() == 0


def test_excluding_a_missing_class() -> None:
    with pytest.raises(UsageError, match=r"`without=vacs`.*Did you mean vasc"):
        without(mapping_for("diagnosis", SEVEN), ["vacs"])


def test_unknown_class_error_lists_the_classes() -> None:
    with pytest.raises(UsageError, match="dog is not one of its classes"):
        ClassMapping("mine", ("cat",), {"a": "cat", "b": "dog"})
    with pytest.raises(UsageError, match="does not say what to do with class 'scc'"):
        mapping_for("diagnosis", SEVEN).matrix(["scc"])
    melanoma = mapping_for("melanoma", ("mel", "nv"))
    assert (melanoma.name, melanoma.classes) == ("melanoma", ("not_melanoma", "melanoma"))
    assert melanoma.targets == {"mel": "melanoma", "nv": "not_melanoma"}
