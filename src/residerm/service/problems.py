"""All errors of the service, as problem details (RFC 9457).

A problem repeats nothing that a client sent except the printable name of a file, and contains no traceback.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

# name: (status, title)
_KINDS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is malformed"),
    "unauthorized": (401, "A token is required"),
    "forbidden": (403, "Requests from another site are refused"),
    "not-found": (404, "Not found"),
    "method": (405, "This method is not allowed"),
    "slow": (408, "The upload took too long"),
    "not-explainable": (409, "This model cannot be explained"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "This type of content is not supported"),
    "unreadable": (422, "An image cannot be read"),
    "invalid": (422, "A parameter is not valid"),
    "too-many": (429, "Too many requests from one client"),
    "internal": (500, "The service failed"),
    "busy": (503, "The service is busy"),
    "ending": (503, "The service is shutting down"),
}
_BY_STATUS = {400: "malformed", 404: "not-found", 405: "method", 413: "too-large", 422: "invalid"}


class ProblemDetails(BaseModel):
    """Problem details as RFC 9457 defines them, and the id of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:residerm:problem:unreadable",
                    "title": "An image cannot be read",
                    "status": 422,
                    "detail": "photo.jpg: the image is cut short",
                    "request_id": "5f0c6c0e9b7a4a55",
                }
            ]
        }
    )

    type: str = Field(description="A URN that identifies the kind of problem.")
    title: str = Field(description="The kind of problem, as text.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and how to fix it.")
    request_id: str = Field("", description="The id of the request, as in the log.")


class Problem(Exception):
    """Raised if a request cannot be answered; sent as problem details."""

    def __init__(self, kind: str, detail: str, *, retry_after: int | None = None) -> None:
        """`kind` is a name in `_KINDS`; `detail` says what is wrong with this request."""
        super().__init__(detail)
        self.kind, self.detail, self.retry_after = kind, detail, retry_after
        self.status, self.title = _KINDS[kind]

    def details(self, request_id: str = "") -> ProblemDetails:
        """The problem as a document."""
        urn = f"urn:residerm:problem:{self.kind}"
        return ProblemDetails(type=urn, title=self.title, status=self.status, detail=self.detail, request_id=request_id)

    def response(self, request_id: str = "") -> Response:
        """The problem as an HTTP response."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        body = self.details(request_id).model_dump_json()
        return Response(body, self.status, headers=headers, media_type=MEDIA_TYPE)


def of_status(status: int, detail: str) -> Problem:
    """The problem for a status that the framework returned, such as 404."""
    return Problem(_BY_STATUS.get(status, "malformed"), detail)
