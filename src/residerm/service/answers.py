"""The documents that the service returns: predictions, their uncertainty, and their limits.

Numbers are rounded to meaningful digits. Fields that a model cannot fill are null.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from residerm.description import DISCLAIMER, ModelDescription
from residerm.inference.parity import ParityRecord
from residerm.service.problems import ProblemDetails
from residerm.trust import TrustSummary


class ClassAnswer(BaseModel):
    """One class: its probability, and whether it is in the prediction set."""

    label: str = Field(description="Short name of the class, as in the model's description.")
    name: str = Field(description="Full name of the class.")
    probability: float = Field(description="Probability, calibrated if the model's trust has been fitted.")
    in_set: bool | None = Field(None, description="Whether the class is in the prediction set; null without a set.")


class Observed(BaseModel):
    """The accuracy that was observed on images with about this confidence."""

    low: float = Field(description="Lower end of the range of confidence.")
    high: float = Field(description="Upper end of the range of confidence.")
    correct: float = Field(description="Fraction of these images that were predicted correctly.")
    interval: tuple[float, float] = Field(description="95 % interval of this fraction, as if no lesion appeared twice.")
    images: int = Field(description="Number of these images.")
    part: str = Field(description="The images on which this was observed.")


class Explanation(BaseModel):
    """The evidence for and against a class, as a picture to overlay on the image."""

    label: str = Field(description="The class that is explained.")
    png: str = Field(description="A data URL of a PNG with transparency, of the same aspect as the model's view.")
    view: str = Field(description="A data URL of a PNG: the image as the model saw it.")
    full: float = Field(description="Evidence, in logits, at which the colour is saturated.")
    aspect: str = Field(description="How the image was made square: squash, crop or pad.")
    note: str = Field(description="How to interpret it.")


class ImageAnswer(BaseModel):
    """The prediction for one image."""

    name: str = Field(description="Name of the file as it was sent, without its folders.")
    predicted: str = Field(description="Label of the most probable class.")
    confidence: float = Field(description="Probability of the predicted class.")
    classes: list[ClassAnswer] = Field(description="All classes, the most probable one first.")
    prediction_set: list[str] | None = Field(None, description="Classes that cannot be ruled out; null if not fitted.")
    observed: Observed | None = Field(None, description="What was observed at this confidence; null if unknown.")
    abstained: bool = Field(description="Whether the confidence is too low for the prediction to be used.")
    abstention_reason: str | None = Field(None, description="Why the model abstains; null if it does not.")
    outlier: bool | None = Field(
        None, description="Whether the image is unlike the training images; null if not fitted."
    )
    outlier_score: float | None = Field(None, description="Higher means less similar to the training images.")
    explanation: Explanation | None = Field(None, description="Only from /v1/explain.")


class Refusal(BaseModel):
    """An image that could not be read, in a request with several images."""

    name: str = Field(description="Name of the file as it was sent, without its folders.")
    problem: ProblemDetails


class ModelIdentity(BaseModel):
    """The model that made the prediction."""

    name: str = Field(description="The network.")
    trained_on: str = Field(description="The archive that it was trained on.")
    synthetic: bool = Field(description="Whether the images of that archive are synthetic.")
    sha256: str = Field(description="Hash of the model's files.")
    runtime: str = Field(description="Its runtime: torch, onnx or openvino.")
    version: str = Field(description="Version of residerm.")


_EXAMPLE: dict[str, JsonValue] = {
    "request_id": "5f0c6c0e9b7a4a55",
    "model": {
        "name": "tf_efficientnet_lite0",
        "trained_on": "ham10000",
        "synthetic": False,
        "sha256": "0" * 64,
        "runtime": "onnx",
        "version": "0.1.0",
    },
    "disclaimer": DISCLAIMER,
    "warnings": [],
    "images": [
        {
            "name": "photo.jpg",
            "predicted": "nv",
            "confidence": 0.91,
            "classes": [
                {"label": "nv", "name": "melanocytic nevus", "probability": 0.91, "in_set": True},
                {"label": "mel", "name": "melanoma", "probability": 0.09, "in_set": False},
            ],
            "prediction_set": ["nv"],
            "observed": {
                "low": 0.9,
                "high": 1.0,
                "correct": 0.96,
                "interval": [0.939, 0.974],
                "images": 500,
                "part": "the test part of ham10000",
            },
            "abstained": False,
            "abstention_reason": None,
            "outlier": False,
            "outlier_score": 12.5,
            "explanation": None,
        }
    ],
}


class Answers(BaseModel):
    """The response to a request: one entry per image, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    request_id: str
    model: ModelIdentity
    disclaimer: str
    warnings: list[str] = Field(description="What limits every answer of this model.")
    images: list[ImageAnswer | Refusal]


class ModelAnswer(BaseModel):
    """The model that is served: its description, and what was fitted and validated."""

    model: ModelIdentity
    disclaimer: str
    warnings: list[str] = Field(description="What limits every answer of this model.")
    classes: list[dict[str, str]] = Field(description="Label and name of each class, in the model's order.")
    explains: bool = Field(description="Whether /v1/explain is available.")
    limits: dict[str, float] = Field(description="Limits of a request.")
    description: ModelDescription = Field(description="The model's description, as in its model.json.")
    card: str | None = Field(description="The model card, as Markdown, if the model has one.")
    parity: ParityRecord | None = Field(description="How closely the exported model matches the trained one.")
    trust: TrustSummary | None = Field(description="Calibration, sets, abstention and outliers, as fitted.")


class Health(BaseModel):
    """Whether the service is alive, or ready."""

    status: str
