"""The identity of an evaluation: the content of the scored images, the models, and every option that changes a score.
Its folder is named by a few readable words and a hash of all of these.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from residerm.config import EvaluateOptions
from residerm.evaluation.comparison import Other
from residerm.evaluation.evaluation_set import EvaluationSet
from residerm.inference import Predictor
from residerm.inference.bundle import find_bundle
from residerm.inference.identity import bundle_hash
from residerm.storage.tree import Tree

_DIGITS = 8  # of the hash, in the name of the folder
_LONGEST = 160  # bytes of the words; names of folders are limited to 255
# Options that are identified by content instead, or do not change the scores.
_NOT_BY_VALUE = {"data", "against", "outliers", "overwrite", "explain", "explain_method", "explain_stage"}


@dataclass(frozen=True)
class Identity:
    """The name of an evaluation's folder, and the hashes of the scored images and of the model."""

    name: str
    content: str
    model: str


def identify(
    model: Path,
    predictor: Predictor,
    images: EvaluationSet,
    other: Other | None,
    options: EvaluateOptions,
) -> Identity:
    """Determine the identity of an evaluation before it is computed."""
    content, hash_of_model = images.content_hash(), bundle_hash(find_bundle(model))
    known = {
        **options.model_dump(mode="json", exclude=_NOT_BY_VALUE),
        "precision": predictor.precision,
        "task": images.alignment.task if images.alignment else None,
        "part": images.part,
        "content": content,
        "model": hash_of_model,
        "against": other.hash if other else None,
        "outliers": [_files_under(path) for path in options.outliers],
    }
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    return Identity(f"{_words(images, options, other)}-{digest[:_DIGITS]}", content, hash_of_model)


def _files_under(path: Path) -> str:
    """A hash of the files at a path: their names, sizes, and CRCs or modification times."""
    return hashlib.sha256(Tree(path).files.tobytes()).hexdigest() if path.exists() else ""


def _words(images: EvaluationSet, options: EvaluateOptions, other: Other | None) -> str:
    """The readable part of the folder's name: archive, part and options."""
    parts = [images.name, images.part]
    if images.alignment and images.alignment.task != "diagnosis":
        parts.append(images.alignment.task)
    parts += ["tta"] * options.tta + ["prior"] * options.prior
    parts += [f"without-{options.without}"] if options.without else []
    threshold = f"{options.sensitivity:g}" if options.decide == "malignant" else ""
    parts += [options.decide + threshold] * (options.decide != "probable")
    parts += ["outliers", *(path.resolve().name for path in options.outliers)] if options.outliers else []
    parts += ["against", other.name] if other else []
    words = re.sub(r"[^\w.-]+", "_", "-".join(parts)).lstrip(".")
    return words.encode(errors="ignore")[:_LONGEST].decode(errors="ignore")
