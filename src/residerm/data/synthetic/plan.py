"""The plan of the archive: its lesions, their classes, patients and sites, and the photographs of each.

The class frequencies are those of HAM10000, except that rare classes are raised to `RARE_SHARE` of the lesions at the
expense of the nevi: with the default 2,000 images, each class has at least 80 lesions, so a test part of 20 % contains
16 of each. A quarter of the lesions is photographed two or three times. The numbers of the photographs are shuffled,
so that neither the name nor the position in the archive reveals the class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.config import SyntheticOptions

HAM10000_IMAGES = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
RARE_SHARE = 0.054
REPEATED = 0.25  # fraction of the lesions with more than one photograph
TWICE = 0.75  # fraction of those with two; the others have three

_UNKNOWN = 0.006  # fraction of lesions with unknown age, as in HAM10000, and with unknown sex
_PEOPLE = {  # mean and standard deviation of the age, fractions on face and neck and with histology, as in HAM10000
    "akiec": (66, 12, 0.44, 1.0),
    "bcc": (68, 13, 0.25, 1.0),
    "bkl": (64, 14, 0.31, 0.68),
    "df": (53, 13, 0.01, 0.42),
    "mel": (61, 15, 0.15, 1.0),
    "nv": (47, 14, 0.04, 0.25),
    "vasc": (52, 20, 0.07, 0.33),
}
_HEAD = ("face", "neck", "scalp", "ear")
_BODY = ("back", "lower extremity", "trunk", "upper extremity", "abdomen", "chest", "foot", "hand", "unknown")
_BODY_WEIGHTS = np.array([25, 24, 15, 12, 12, 5, 4, 1, 2]) / 100
_WITHOUT_HISTOLOGY = {"nv": "follow_up"}  # the others are confirmed by consensus


@dataclass(frozen=True)
class Case:
    """A lesion and its metadata."""

    number: int
    diagnosis: str
    confirmed_by: str
    age: float | None
    sex: str
    site: str

    @property
    def lesion_id(self) -> str:
        """Its name in the archive."""
        return f"SYN_{self.number:07d}"


@dataclass(frozen=True)
class Photograph:
    """One image of a lesion."""

    number: int
    case: Case

    @property
    def image_id(self) -> str:
        """Its name in the archive."""
        return f"SYNTH_{self.number:07d}"


def plan(options: SyntheticOptions) -> list[Photograph]:
    """All photographs of the archive, by number."""
    random = np.random.default_rng([options.seed, 0])
    lesions = round(options.images / (1 + REPEATED * (2 - TWICE)))
    diagnoses = random.permutation([name for name, count in lesions_by_class(lesions).items() for _ in range(count)])
    cases = [_case(random, number, str(diagnosis)) for number, diagnosis in enumerate(diagnoses, start=1)]
    shown = random.permutation(np.repeat(np.arange(lesions), _photographs(random, options.images, lesions)))
    return [Photograph(number, cases[lesion]) for number, lesion in enumerate(shown, start=1)]


def lesions_by_class(lesions: int) -> dict[str, int]:
    """The number of lesions of each class."""
    total = sum(HAM10000_IMAGES.values())
    counts = {name: round(lesions * max(images / total, RARE_SHARE)) for name, images in HAM10000_IMAGES.items()}
    return counts | {"nv": lesions - sum(count for name, count in counts.items() if name != "nv")}


def _photographs(random: np.random.Generator, images: int, lesions: int) -> np.ndarray:
    """The number of photographs of each lesion: one, two or three, `images` in total."""
    counts, order, repeated = np.ones(lesions, dtype=int), random.permutation(lesions), round(REPEATED * lesions)
    counts[order[:repeated]] += 1
    counts[order[: images - lesions - repeated]] += 1
    return counts


def _case(random: np.random.Generator, number: int, diagnosis: str) -> Case:
    mean_age, deviation, head, histology = _PEOPLE[diagnosis]
    age = 5.0 * min(max(round(random.normal(mean_age, deviation) / 5), 0), 17)
    site = random.choice(_HEAD) if random.random() < head else random.choice(_BODY, p=_BODY_WEIGHTS)
    confirmed_by = "histo" if random.random() < histology else _WITHOUT_HISTOLOGY.get(diagnosis, "consensus")
    sex = "male" if random.random() < 0.54 else "female"
    unknown_age, unknown_sex = random.random(2) < _UNKNOWN
    return Case(
        number, diagnosis, confirmed_by, None if unknown_age else age, "unknown" if unknown_sex else sex, str(site)
    )
