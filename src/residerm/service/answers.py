"""What the service answers: documents that say what the model found, how sure it is, and what that does not mean.

Numbers are rounded to what they can carry. A field that this model cannot fill is null, never invented.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from residerm.description import DISCLAIMER
from residerm.service.problems import ProblemDetails


class ClassAnswer(BaseModel):
    """One class: its probability, and whether the prediction set holds it."""

    label: str = Field(description="Short name of the class, as in the model's description.")
    name: str = Field(description="Name of the class in words.")
    probability: float = Field(description="Probability, calibrated where the model's trust has been fitted.")
    in_set: bool | None = Field(None, description="Whether the prediction set holds the class; null without a set.")


class Observed(BaseModel):
    """How often the predicted class was right, on images with about this confidence."""

    low: float = Field(description="Lower end of the range of confidence.")
    high: float = Field(description="Upper end of the range of confidence.")
    correct: float = Field(description="Share of those images whose predicted class was right.")
    images: int = Field(description="Number of those images.")
    part: str = Field(description="Where this was observed.")


class Explanation(BaseModel):
    """Which parts of the image speak for or against a class, as a picture to lay over the image."""

    label: str = Field(description="The class that is explained.")
    png: str = Field(description="A data URL of a PNG with transparency, of the same aspect as the model's view.")
    view: str = Field(description="A data URL of a PNG: the image as the model saw it.")
    full: float = Field(description="Evidence in logits that is shown in full colour; more is shown as that much.")
    aspect: str = Field(description="How the image was made square: squash, crop or pad.")
    note: str = Field(description="How far to believe it.")


class ImageAnswer(BaseModel):
    """What the model says of one image."""

    name: str = Field(description="Name of the file as it was sent, without its folders.")
    predicted: str = Field(description="Label of the most probable class.")
    confidence: float = Field(description="Probability of the predicted class.")
    classes: list[ClassAnswer] = Field(description="All classes, the most probable one first.")
    prediction_set: list[str] | None = Field(
        None, description="Classes that cannot be ruled out; null where not fitted."
    )
    observed: Observed | None = Field(None, description="What was observed at this confidence; null where not known.")
    abstained: bool = Field(description="Whether the model is too unsure for its prediction to be used.")
    abstention_reason: str | None = Field(None, description="Why it abstains; null where it does not.")
    outlier: bool | None = Field(
        None, description="Whether the image is unlike the training images; null where not fitted."
    )
    outlier_score: float | None = Field(None, description="Higher is less like the training images.")
    explanation: Explanation | None = Field(None, description="On request only.")


class Refusal(BaseModel):
    """An image of several that could not be read; the others are answered."""

    name: str = Field(description="Name of the file as it was sent, without its folders.")
    problem: ProblemDetails


class ModelIdentity(BaseModel):
    """Which model answers."""

    name: str = Field(description="The network.")
    trained_on: str = Field(description="The archive that it was trained on.")
    synthetic: bool = Field(description="Whether that archive is drawn and not photographed.")
    sha256: str = Field(description="Hash of the model's files.")
    runtime: str = Field(description="What runs it: torch, onnx or openvino.")
    version: str = Field(description="Version of residerm that serves it.")


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
            "observed": None,
            "abstained": False,
            "abstention_reason": None,
            "outlier": False,
            "outlier_score": 12.5,
            "explanation": None,
        }
    ],
}


class Answers(BaseModel):
    """The answer to a request: one entry for each image, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    request_id: str
    model: ModelIdentity
    disclaimer: str
    warnings: list[str] = Field(description="What limits every answer of this model.")
    images: list[ImageAnswer | Refusal]


class ModelAnswer(BaseModel):
    """The model that is served: what it says of itself, and what was fitted and checked."""

    model: ModelIdentity
    disclaimer: str
    warnings: list[str] = Field(description="What limits every answer of this model.")
    classes: list[dict[str, str]] = Field(description="Label and name of each class, in the model's order.")
    explains: bool = Field(description="Whether /v1/explain can be asked.")
    limits: dict[str, float] = Field(description="Limits of a request.")
    description: dict[str, object] = Field(description="The model's whole description, as in its model.json.")
    card: str | None = Field(description="The model card, as Markdown, where the model has one.")
    parity: dict[str, object] | None = Field(description="The record that the exported model equals the trained one.")
    trust: dict[str, object] | None = Field(description="Calibration, sets, abstention and outliers, as fitted.")


class Health(BaseModel):
    """Whether the service lives, or is ready."""

    status: str
