"""The model that is served, read once from its files: hash, card, parity and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import residerm
from residerm import taxonomy
from residerm.inference import Predictor
from residerm.inference.identity import bundle_hash
from residerm.inference.parity import PARITY, ParityRecord
from residerm.service.answers import ModelAnswer, ModelIdentity, Observed
from residerm.service.observed import read_observed

_CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Served:
    """A predictor, with the metadata from its files."""

    predictor: Predictor
    identity: ModelIdentity
    warnings: tuple[str, ...]
    observed: tuple[Observed, ...] = ()
    card: str | None = None
    parity: ParityRecord | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of the classes, in the model's order."""
        return self.predictor.description.classes

    def document(self, limits: dict[str, float]) -> ModelAnswer:
        """The response of /v1/model."""
        trust = self.predictor.trust
        return ModelAnswer(
            model=self.identity,
            disclaimer=self.predictor.description.disclaimer,
            warnings=list(self.warnings),
            classes=[{"label": label, "name": name_of(label)} for label in self.classes],
            explains=self.predictor.classifier is not None,
            limits=limits,
            description=self.predictor.description,
            card=self.card,
            parity=self.parity,
            trust=trust.summary if trust else None,
        )


def served(predictor: Predictor, folder: Path | None = None) -> Served:
    """Read the metadata of a predictor from the folder of its bundle."""
    description = predictor.description
    identity = ModelIdentity(
        name=description.model,
        trained_on=description.archive,
        synthetic=description.synthetic,
        sha256=bundle_hash(folder) if folder else "0" * 64,
        runtime=predictor.runtime,
        version=residerm.__version__,
    )
    observations = read_observed(predictor, folder)
    return Served(predictor, identity, _warnings(predictor), observations, _text(folder, _CARD), _parity(folder))


def name_of(label: str) -> str:
    """The full name of a class."""
    return taxonomy.NAMES.get(label, label)


def _warnings(predictor: Predictor) -> tuple[str, ...]:
    description, found = predictor.description, []
    if description.synthetic:
        found.append("The model was trained on synthetic images: its predictions for photographs are meaningless.")
    if predictor.trust is None:
        found.append("Trust has not been fitted: probabilities are not calibrated, and the model never abstains.")
    return tuple(found)


def _text(folder: Path | None, name: str) -> str | None:
    for place in (folder, folder.parent) if folder else ():
        if (place / name).is_file():
            return (place / name).read_text(encoding="utf-8")
    return None


def _parity(folder: Path | None) -> ParityRecord | None:
    text = _text(folder, PARITY)
    return ParityRecord.model_validate_json(text) if text else None
