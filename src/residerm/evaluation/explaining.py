"""Score how faithful a model's explanations are, on images of the test part, with intervals over lesions.

Each image is explained for the predicted class, correct or not. One image per lesion is used, and at most `MOST`,
drawn at random, because each takes a few hundred predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from residerm.config import EvaluateOptions, Method
from residerm.evaluation.evaluation_set import EvaluationSet
from residerm.evaluation.masks import read_masks
from residerm.explanation import methods as explaining, target
from residerm.explanation.evidence import Evidence
from residerm.explanation.lesion import Overlap, overlap
from residerm.explanation.methods import METHODS, compute_evidence, default_method
from residerm.explanation.quality import Curves, centred, noise, quality_curves, rank_correlation
from residerm.inference import Predictor
from residerm.progress import SILENT, Progress
from residerm.runs.explanations import ExplanationScores, FaithfulnessScores, LesionScores, SanityLevel
from residerm.scores.bootstrap import Bootstrap
from residerm.scores.results import Estimate

if TYPE_CHECKING:
    from residerm.models import Model

MOST, MOST_FOR_SANITY = 100, 16
_BATCH = 16
_RESAMPLES, _SEED = 2000, 0


@dataclass(frozen=True)
class _Explained:
    """Images, with the predicted class and the evidence of each."""

    rows: np.ndarray
    pixels: np.ndarray
    numbers: np.ndarray
    evidence: Evidence

    def __len__(self) -> int:
        return len(self.rows)


def explanation_scores(
    model: explaining.ExplainedModel, images: EvaluationSet, options: EvaluateOptions, progress: Progress = SILENT
) -> ExplanationScores:
    """The scores of an explanation method, or of the default one, on an evaluation set."""
    rows = one_of_each_lesion(images)
    explained = _explain(model, images, rows, options.explain_method, options.explain_stage, progress)
    estimate = _Estimator(Bootstrap(_RESAMPLES, images.records.layout.grouped_by or "image", _SEED))
    own, middle, random = _faithfulness(model.predictor, explained, estimate, progress)
    sanity = _sanity(model, explained, estimate, progress)
    lesion, reason, left_out = _lesion(images, explained, model.predictor, estimate)
    return ExplanationScores(
        method=explained.evidence.method,
        title=METHODS[explained.evidence.method].title,
        stage=explained.evidence.stage,
        places=explained.evidence.maps.shape[1],
        images=len(rows),
        groups=len(rows),
        of=len(images.rows),
        group_name=estimate.bootstrap.unit,
        bootstrap=estimate.bootstrap.described,
        own=own,
        centred=middle,
        noise=random,
        sanity=sanity,
        sanity_images=min(len(rows), MOST_FOR_SANITY),
        lesion=lesion,
        no_lesion=reason,
        masks_left_out=left_out,
    )


def one_of_each_lesion(images: EvaluationSet, most: int = MOST) -> np.ndarray:
    """At most `most` rows, one per lesion, drawn at random, in the order of the archive."""
    generator = np.random.default_rng(_SEED)
    shuffled = generator.permutation(images.rows)
    _, first = np.unique(images.records.groups[shuffled], return_index=True)
    return np.sort(generator.permutation(shuffled[first])[:most])


@dataclass(frozen=True)
class _Estimator:
    """Means over images with intervals; NaN values are ignored."""

    bootstrap: Bootstrap

    def means(self, values: Mapping[str, np.ndarray]) -> dict[str, Estimate]:
        """The mean of each score, from one value per image."""
        return self.quotients({name: (own, np.ones(len(own))) for name, own in values.items()})

    def quotients(self, values: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Estimate]:
        """The ratio of two means, for each score."""
        known = {name: ~(np.isnan(above) | np.isnan(below)) for name, (above, below) in values.items()}
        asked = {name: pair for name, pair in values.items() if known[name].any()}
        absent = {name: Estimate(absent="no image has evidence for its class") for name in values if name not in asked}
        if not asked:
            return absent
        images = len(next(iter(asked.values()))[0])

        def weighted(weights: np.ndarray) -> dict[str, np.ndarray]:
            return {name: _quotient(weights, *pair, known[name]) for name, pair in asked.items()}

        found = self.bootstrap.estimates(weighted, np.arange(images))
        return absent | {name: one.model_copy(update={"n": int(known[name].sum())}) for name, one in found.items()}


def _quotient(weights: np.ndarray, above: np.ndarray, below: np.ndarray, known: np.ndarray) -> np.ndarray:
    over, under = (weights[:, known] @ values[known] for values in (above, below))
    empty = np.full(len(weights), np.nan)
    divided: np.ndarray = np.divide(over, under, out=empty, where=under != 0)
    return divided


def _explain(
    model: explaining.ExplainedModel, images: EvaluationSet, rows: np.ndarray, method: Method | None, stage: str | None,
    progress: Progress,
) -> _Explained:  # fmt: skip
    pixels, numbers, parts = np.asarray(images.pixels(rows)), [], []
    for start in range(0, len(rows), _BATCH):
        some = pixels[start : start + _BATCH]
        outputs = model.predictor.outputs(some, maps=True)
        if method is None:
            method, stage = default_method(model, outputs)
        predicted = outputs.logits.argmax(axis=1)
        weights = target.for_class(outputs.logits.shape[1], predicted)
        parts.append(compute_evidence(model, some, outputs, weights, method, stage))
        numbers.append(predicted)
        progress.advance("explaining", min(start + _BATCH, len(rows)), len(rows))
    evidence = Evidence(np.concatenate([part.maps for part in parts]), parts[0].method, parts[0].stage)
    return _Explained(rows, pixels, np.concatenate(numbers), evidence)


def _faithfulness(
    predictor: Predictor, explained: _Explained, estimate: _Estimator, progress: Progress
) -> tuple[FaithfulnessScores, FaithfulnessScores, FaithfulnessScores]:
    images, side = len(explained), explained.pixels.shape[1]
    maps = (explained.evidence.maps, centred(images, side), noise(images, explained.evidence.maps.shape[1], _SEED))
    found = []
    for done, one in enumerate(maps, 1):
        found.append(
            quality_curves(lambda some: predictor.outputs(some).probabilities, explained.pixels, explained.numbers, one)
        )
        progress.advance("deleting and inserting", done, len(maps), unit="maps")
    own, middle, random = found
    return (
        FaithfulnessScores(**estimate.means({"deletion": own.deletion, "insertion": own.insertion})),
        _against(own, middle, estimate),
        _against(own, random, estimate),
    )


def _against(own: Curves, other: Curves, estimate: _Estimator) -> FaithfulnessScores:
    """The scores of a map that does not depend on the model, and how much better the model's own map is."""
    return FaithfulnessScores(
        **estimate.means(
            {
                "deletion": other.deletion,
                "insertion": other.insertion,
                "deletion_gain": other.deletion - own.deletion,
                "insertion_gain": own.insertion - other.insertion,
            }
        )
    )


def _sanity(
    model: explaining.ExplainedModel, explained: _Explained, estimate: _Estimator, progress: Progress
) -> tuple[SanityLevel, ...]:
    """The rank correlation after randomising each module, from the top down; none if the weights are not available."""
    if model.read is None:
        return ()
    from residerm.explanation.sanity import randomised
    from residerm.inference.runtimes.torch import TorchRuntime

    some, description = slice(MOST_FOR_SANITY), model.predictor.description
    pixels, maps = explained.pixels[some], explained.evidence.maps[some]
    weights = target.for_class(len(description.classes), explained.numbers[some])
    found: dict[str, np.ndarray] = {}
    for module, lost in randomised(model.network):
        subject = explaining.ExplainedModel(Predictor(description, TorchRuntime(lost)), _giving(lost))
        outputs = subject.predictor.outputs(pixels, maps=True)
        again = compute_evidence(
            subject, pixels, outputs, weights, explained.evidence.method, explained.evidence.stage or None
        )
        found[module] = rank_correlation(maps, again.maps)
        progress.advance("randomising weights", len(found), None, unit="modules")
    return tuple(SanityLevel(module=name, correlation=one) for name, one in estimate.means(found).items())


def _giving(model: Model) -> Callable[[], Model]:
    return lambda: model


def _lesion(
    images: EvaluationSet, explained: _Explained, predictor: Predictor, estimate: _Estimator
) -> tuple[LesionScores | None, str | None, int]:
    """The scores against the lesion masks, a sentence about images without a valid mask, and their number."""
    masks = read_masks(images.records, explained.rows, predictor.description.pixels)
    left_out = len(explained) - len(masks.rows)
    if not len(masks.rows):
        return None, f"No image has a valid lesion mask: {masks.reasons}.", left_out
    chosen = np.isin(explained.rows, masks.rows)
    found = overlap(explained.evidence.maps[chosen], masks.masks)
    numbers, classes = explained.numbers[chosen], predictor.description.classes
    means = estimate.means({"share": found.share, "energy": found.energy, "pointing": found.pointing})
    quotients = estimate.quotients({"all": (found.background, found.lesion)} | _by_class(found, numbers, classes))
    scores = LesionScores(images=len(masks.rows), **means, quotient=quotients.pop("all"), quotient_by_class=quotients)
    return scores, f"Left out of this: {masks.reasons}." if left_out else None, left_out


def _by_class(
    found: Overlap, numbers: np.ndarray, classes: tuple[str, ...]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The evidence in background and lesion for the images predicted as each class, NaN for all others."""

    def only(values: np.ndarray, number: int) -> np.ndarray:
        chosen: np.ndarray = np.where(numbers == number, values, np.nan)
        return chosen

    return {
        name: (only(found.background, number), only(found.lesion, number))
        for number, name in enumerate(classes)
        if (numbers == number).any()
    }
