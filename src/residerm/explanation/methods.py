"""The explanation methods.

Methods that need only the outputs of a model work with every runtime. Methods that need gradients use the network as it
was trained, read from its bundle, not that of the predictor, whose layers are fused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from residerm.config import Method
from residerm.errors import UsageError
from residerm.explanation import cam
from residerm.explanation.evidence import Evidence
from residerm.explanation.occlusion import occlusion_maps
from residerm.inference import Predictor, load, read_bundle
from residerm.outputs import Outputs

if TYPE_CHECKING:
    from residerm.models import Model

_COARSEST = 4  # lowest useful resolution of a map


@dataclass(frozen=True)
class ExplainedModel:
    """A model to be explained: a predictor and, if its weights are available, a function that reads them."""

    predictor: Predictor
    read: Callable[[], Model] | None = None

    @classmethod
    def open(cls, model: str | Path | Predictor) -> ExplainedModel:
        """Open a run or bundle; for a predictor, gradients are not available."""
        if isinstance(model, Predictor):
            return cls(model)
        return cls.of(load(model), Path(model))

    @classmethod
    def of(cls, predictor: Predictor, path: Path) -> ExplainedModel:
        """Combine a predictor with the run or bundle from which it was loaded."""
        return cls(predictor, (lambda: read_bundle(path)[0]) if predictor.runtime == "torch" else None)

    @cached_property
    def network(self) -> Model:
        """The network as it was trained."""
        if self.read is None:
            raise UsageError(
                "gradients require the weights of the network, which an exported model or a predictor does not have: "
                "use the method cam or occlusion, or give the run or bundle with the weights"
            )
        return self.read()


Compute = Callable[[ExplainedModel, np.ndarray, Outputs, np.ndarray, str | None], np.ndarray]


@dataclass(frozen=True)
class Way:
    """A method; `full` is the evidence, in logits, at which the colour is saturated, for every image and model."""

    title: str
    compute: Compute
    full: float = 30.0  # at 15, confident predictions are one patch of red; at 60, 5 logits are hardly visible
    gradients: bool = False
    staged: bool = False


def compute_evidence(
    subject: ExplainedModel,
    pixels: np.ndarray,
    outputs: Outputs,
    target: np.ndarray,
    method: Method,
    stage: str | None = None,
) -> Evidence:
    """Compute the evidence in images (n, s, s, 3), given their outputs, for a target (n, classes)."""
    way = METHODS[method]
    if stage and not way.staged:
        staged = ", ".join(name for name, one in METHODS.items() if one.staged)
        raise UsageError(f"`stage={stage}`: the method {method} has no stage; {staged} do")
    return Evidence(way.compute(subject, pixels, outputs, target, stage), method, stage or "")


def default_method(subject: ExplainedModel, outputs: Outputs) -> tuple[Method, str | None]:
    """The default method and stage for a model; docs/explain.md explains the choice."""
    exact, maps = subject.predictor.classifier is not None, outputs.maps
    if exact and maps is not None and (maps.shape[1] >= _COARSEST or subject.read is None):
        return "cam", None  # always without torch, because it costs nothing
    return "occlusion", None


def _cam(subject: ExplainedModel, _: np.ndarray, outputs: Outputs, target: np.ndarray, __: str | None) -> np.ndarray:
    classifier = subject.predictor.classifier
    if classifier is None or outputs.maps is None:
        raise UsageError(
            f"`method=cam`: the classifier of {subject.predictor.description.model} is not a linear layer after global "
            "average pooling; use the method occlusion, or gradcam with a stage"
        )
    return cam.evidence_maps(outputs, classifier, target)


def _of_gradient(method: Method) -> Compute:
    def compute(
        subject: ExplainedModel, pixels: np.ndarray, _: Outputs, target: np.ndarray, stage: str | None
    ) -> np.ndarray:
        network = subject.network
        from residerm.explanation.gradient import gradient_maps

        return gradient_maps(network, pixels, target, method, stage)

    return compute


def _occlusion(
    subject: ExplainedModel, pixels: np.ndarray, _: Outputs, target: np.ndarray, __: str | None
) -> np.ndarray:
    return occlusion_maps(lambda some: subject.predictor.outputs(some).logits, pixels, target)


def _integrated(
    subject: ExplainedModel, pixels: np.ndarray, _: Outputs, target: np.ndarray, __: str | None
) -> np.ndarray:
    network = subject.network
    from residerm.explanation.integrated import integrated_maps

    return integrated_maps(network, pixels, target)


METHODS: Mapping[Method, Way] = MappingProxyType(
    {
        "cam": Way("class activation map", _cam),
        "gradcam": Way("Grad-CAM", _of_gradient("gradcam"), gradients=True, staged=True),
        "hirescam": Way("HiResCAM", _of_gradient("hirescam"), gradients=True, staged=True),
        "layercam": Way("LayerCAM", _of_gradient("layercam"), gradients=True, staged=True),
        "occlusion": Way("occlusion", _occlusion, full=1.0),
        "integrated": Way("integrated gradients", _integrated, full=100.0, gradients=True),
    }
)
