"""The appearance of the seven classes: the ranges and probabilities from which each lesion is drawn.

The classes are distinguished by structure and outline, as in dermoscopy. Size, base colour and many structures overlap,
and some lesions look entirely like another class (`MIMICRY`), so that no classifier can be perfect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.data.synthetic.canvas import Canvas
from residerm.data.synthetic.lesions import Body, Lesion, Outline, Pigments, Range, draw_body
from residerm.data.synthetic.structures import (
    Structure,
    cysts,
    globules,
    irregular_globules,
    irregular_network,
    lacunae,
    nests,
    network,
    openings,
    regression,
    ridges,
    rim,
    scales,
    scar,
    shiny_streaks,
    strawberry,
    streaks,
    thrombosis,
    variegation,
    veil,
    vessels,
)

MIMICRY = 0.05  # fraction of the lesions that look like another class
LOOKALIKES = {
    "akiec": ("bkl", "bcc"),
    "bcc": ("akiec", "mel", "df"),
    "bkl": ("nv", "mel", "akiec"),
    "df": ("nv", "bcc"),
    "mel": ("nv", "bkl"),
    "nv": ("mel", "bkl", "df"),
    "vasc": ("bcc", "mel"),
}


@dataclass(frozen=True)
class Recipe:
    """The ranges of a class: its outlines, its pigments before any structure, and its structures."""

    outline: Outline
    structures: dict[Structure, tuple[float, Range]]  # probability and strength, in drawing order
    either: tuple[Structure, ...] = ()  # one of these is always present
    melanin: Range = (0.0, 0.0)
    blood: Range = (0.0, 0.0)
    blue: Range = (0.0, 0.0)
    keratin: Range = (0.0, 0.0)


RECIPES = {
    "akiec": Recipe(
        Outline(irregular=(0.10, 0.28), ragged=(0.03, 0.10), soft=(0.15, 0.45)),
        melanin=(0.02, 0.35),
        blood=(0.2, 0.6),
        keratin=(0.0, 0.15),
        either=(strawberry, scales),
        structures={
            strawberry: (0.65, (0.6, 1.1)),
            scales: (0.6, (0.4, 1.0)),
            variegation: (0.3, (0.2, 0.5)),
            irregular_globules: (0.1, (0.2, 0.5)),
        },
    ),
    "bcc": Recipe(
        Outline(irregular=(0.08, 0.26), ragged=(0.02, 0.07), soft=(0.08, 0.35)),
        melanin=(0.0, 0.3),
        blood=(0.1, 0.5),
        either=(vessels, nests),
        structures={
            vessels: (0.55, (0.5, 1.1)),
            nests: (0.55, (0.5, 1.1)),
            shiny_streaks: (0.25, (0.3, 0.9)),
            variegation: (0.3, (0.2, 0.5)),
            scales: (0.2, (0.2, 0.5)),
        },
    ),
    "bkl": Recipe(
        Outline(irregular=(0.06, 0.24), ragged=(0.04, 0.14), soft=(0.04, 0.14)),
        melanin=(0.12, 0.9),
        blood=(0.0, 0.35),
        keratin=(0.0, 0.3),
        either=(cysts, openings, ridges),
        structures={
            cysts: (0.4, (0.5, 1.0)),
            openings: (0.35, (0.5, 1.1)),
            ridges: (0.25, (0.4, 0.9)),
            network: (0.08, (0.2, 0.5)),
            variegation: (0.3, (0.2, 0.5)),
        },
    ),
    "df": Recipe(
        Outline(irregular=(0.04, 0.18), ragged=(0.02, 0.07), soft=(0.15, 0.45)),
        melanin=(0.1, 0.45),
        blood=(0.05, 0.4),
        structures={
            rim: (0.85, (0.6, 1.2)),
            scar: (0.95, (0.7, 1.1)),
            shiny_streaks: (0.15, (0.2, 0.6)),
            variegation: (0.2, (0.1, 0.4)),
        },
    ),
    "mel": Recipe(
        Outline(irregular=(0.10, 0.30), ragged=(0.03, 0.11), soft=(0.05, 0.25)),
        melanin=(0.25, 1.3),
        blood=(0.0, 0.4),
        either=(veil, irregular_network, irregular_globules),
        structures={
            irregular_network: (0.4, (0.4, 1.0)),
            variegation: (0.9, (0.6, 1.2)),
            irregular_globules: (0.4, (0.5, 1.1)),
            streaks: (0.4, (0.5, 1.1)),
            veil: (0.45, (0.5, 1.0)),
            regression: (0.3, (0.4, 0.9)),
            shiny_streaks: (0.1, (0.2, 0.6)),
        },
    ),
    "nv": Recipe(
        Outline(irregular=(0.04, 0.18), ragged=(0.02, 0.07), soft=(0.07, 0.35)),
        melanin=(0.25, 1.3),
        blood=(0.0, 0.3),
        either=(network, globules),
        structures={
            network: (0.4, (0.5, 1.0)),
            globules: (0.3, (0.5, 1.0)),
            variegation: (0.3, (0.1, 0.5)),
            irregular_globules: (0.06, (0.2, 0.5)),
            regression: (0.04, (0.2, 0.5)),
        },
    ),
    "vasc": Recipe(
        Outline(irregular=(0.04, 0.20), ragged=(0.02, 0.07), soft=(0.05, 0.2)),
        melanin=(0.0, 0.3),
        blood=(0.4, 1.5),
        blue=(0.0, 0.4),
        structures={
            lacunae: (0.95, (0.4, 1.0)),
            thrombosis: (0.25, (0.4, 1.0)),
            variegation: (0.2, (0.1, 0.4)),
        },
    ),
}


def draw_lesion(canvas: Canvas, random: np.random.Generator, diagnosis: str) -> tuple[Body, Pigments]:
    """Draw one lesion of a class from its own random generator: the same lesion, whatever the view."""
    if random.random() < MIMICRY:
        diagnosis = str(random.choice(LOOKALIKES[diagnosis]))
    recipe = RECIPES[diagnosis]
    body = draw_body(canvas, random, recipe.outline)
    lesion = Lesion(canvas, random, body, _base(random, recipe, body))
    centred, grain = np.clip(body.depth, 0, 1) - 0.4, 0.25 * lesion.noise(0.12, 4)
    lesion.pigments.melanin *= np.exp(lesion.drawn(-0.3, 0.8) * centred + grain)
    lesion.pigments.blood *= np.exp(grain)
    always = recipe.either[random.integers(len(recipe.either))] if recipe.either else None
    for structure, (chance, limits) in recipe.structures.items():
        strength, present = lesion.drawn(*limits), random.random() < chance
        if present or structure is always:
            structure(lesion, strength)
    return body, lesion.pigments


def _base(random: np.random.Generator, recipe: Recipe, body: Body) -> Pigments:
    """The pigments before any structure: the same amount everywhere inside."""
    amounts = [random.uniform(*limits) for limits in (recipe.melanin, recipe.blood, recipe.blue, recipe.keratin)]
    melanin, blood, blue, keratin = (amount * body.cover for amount in amounts)
    return Pigments(melanin, blood, blue, np.zeros_like(melanin), keratin)
