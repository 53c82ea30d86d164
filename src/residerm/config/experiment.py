"""All options of a training in one document; flat in YAML, with the names of the options as keys."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError, model_validator

from residerm.config.base import FlatOptions, Options
from residerm.config.data import ArchiveOptions, AugmentOptions, PixelSpec, SampleOptions, SplitOptions
from residerm.config.distillation import DistillationOptions
from residerm.config.given import Given, refused
from residerm.config.neighbours import NeighbourOptions
from residerm.config.network import ModelOptions, ResNetOptions
from residerm.config.training import TrainOptions
from residerm.config.trust import TrustOptions
from residerm.errors import UsageError

_CLASS_WEIGHT_POWER = 0.5


class Experiment(Options):
    """All options of a training; flat in its YAML file, with the names of the options as keys."""

    path: Path
    archive: ArchiveOptions = ArchiveOptions()
    pixels: PixelSpec = PixelSpec()
    split: SplitOptions = SplitOptions()
    sample: SampleOptions = SampleOptions()
    augmentation: AugmentOptions = AugmentOptions()
    network: ModelOptions = ModelOptions()
    resnet: ResNetOptions = ResNetOptions()
    training: TrainOptions = TrainOptions()
    distillation: DistillationOptions = DistillationOptions()
    trust: TrustOptions = TrustOptions()
    neighbours: NeighbourOptions = NeighbourOptions()

    def in_effect(self) -> Experiment:
        """The experiment with the defaults that depend on other options filled in."""
        if self.training.class_weight_power is not None:
            return self
        otherwise = self.sample.sampling != "none" or self.training.logit_adjustment > 0
        power = 0.0 if otherwise else _CLASS_WEIGHT_POWER
        training = self.training.model_copy(update={"class_weight_power": power})
        return self.model_copy(update={"training": training})

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Experiment:
        self.training.refuse_contradictions()
        if self.distillation.teacher and self.training.mixup:
            raise UsageError("`teacher` and `mixup` cannot be combined: the teacher was not trained on mixed images")
        smallest, size = self.training.grow_from, self.pixels.size
        if smallest is not None and smallest >= size:
            raise UsageError(f"`grow_from={smallest}` must be smaller than `size={size}`")
        return self

    @property
    def cautions(self) -> list[str]:
        """A warning for each set of options that counteract each other."""
        corrections = {
            "`sampling`": self.sample.sampling != "none",
            "`class_weight_power`": bool(self.training.class_weight_power),
            "`logit_adjustment`": self.training.logit_adjustment > 0,
        }
        used = [name for name, is_used in corrections.items() if is_used]
        if len(used) < 2:
            return []
        return [f"{' and '.join(used)} each correct the class imbalance: together they overcorrect it"]

    def flat(self, *, given_only: bool = False) -> FlatOptions:
        """All options by name; with `given_only`, only those that were set explicitly."""
        options: FlatOptions = {"path": str(self.path)}
        for _, group in self:
            if isinstance(group, Options):
                options |= group.model_dump(mode="json", exclude_unset=given_only)
        return options

    @classmethod
    def from_flat(cls, options: FlatOptions, source: str) -> Experiment:
        """Create an experiment from flat options; an unknown key is an error that suggests the nearest names."""
        options = dict(options)
        path = options.pop("path", None)
        given = Given(options, source)
        groups = {
            name: given.take(type(field.default))
            for name, field in cls.model_fields.items()
            if isinstance(field.default, Options)
        }
        given.refuse_rest()
        try:
            return cls.model_validate({"path": path, **groups})
        except ValidationError as error:
            raise refused(error, source) from error
