"""The OpenAPI description of bodies with images, of problems and of the token, with a working example."""

from __future__ import annotations

from fastapi import FastAPI

from residerm.service.problems import MEDIA_TYPE, ProblemDetails

ANSWER_PROBLEMS = (400, 401, 403, 408, 413, 415, 422, 429, 503)

EXAMPLE_IMAGE = (  # a PNG of one grey pixel, the smallest valid image
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"images": {"type": "array", "items": _BINARY, "minItems": 1}}}
IMAGES_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "description": "One image as the body, or several as parts of a form. The format is detected from the content. "
        f"`echo {EXAMPLE_IMAGE} | base64 -d | curl --data-binary @- -H 'Content-Type: image/png' ADDRESS/v1/predict`",
        "content": {
            "multipart/form-data": {"schema": {**_FORM, "required": ["images"]}},
            "application/octet-stream": {"schema": _BINARY},
            "image/png": {"schema": _BINARY},
            "image/jpeg": {"schema": _BINARY},
            "application/dicom": {"schema": _BINARY},
        },
    }
}
PROTECTED: dict[str, object] = {"security": [{}, {"token": []}]}
_MEANINGS = {
    400: "The request is malformed.",
    401: "A token is required.",
    403: "The request comes from another site.",
    408: "The upload took too long.",
    409: "This model cannot be explained.",
    413: "The request is too large.",
    415: "This type of content is not supported.",
    422: "An image cannot be read, or a parameter is not valid.",
    429: "Too many requests from one client.",
    503: "The service is busy or shutting down.",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The responses for some statuses, as problem details."""
    schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    answers: dict[int | str, dict[str, object]] = {}
    for status in statuses:
        answers[status] = {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        if status in (429, 503):
            seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            answers[status]["headers"] = {"Retry-After": seconds}
    return answers


def describe_problems(app: FastAPI) -> None:
    """Add the schema of problem details and the token to the application's OpenAPI document."""
    framework = app.openapi

    def openapi() -> dict[str, object]:
        document = framework()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})[ProblemDetails.__name__] = ProblemDetails.model_json_schema()
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
