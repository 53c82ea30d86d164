"""What goes wrong, as problem details (RFC 9457): one document for every error, whoever finds it.

A problem never repeats what a client sent beyond a file's printable name, and never holds a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

# name: (status, title)
_KINDS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is malformed"),
    "unauthorized": (401, "A token is needed"),
    "forbidden": (403, "Requests from another site are refused"),
    "not-found": (404, "There is nothing here"),
    "method": (405, "This method is not offered here"),
    "slow": (408, "The upload took too long"),
    "not-explainable": (409, "This model cannot be explained"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "This kind of content is not read"),
    "unreadable": (422, "An image cannot be read"),
    "invalid": (422, "A parameter is not valid"),
    "too-many": (429, "Too many requests of one client"),
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

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong this time, and the way out.")
    request_id: str = Field("", description="The id of the request, as in the log.")


class Problem(Exception):
    """Raised where a request cannot be answered; becomes problem details."""

    def __init__(self, kind: str, detail: str, *, retry_after: int | None = None) -> None:
        """Take the kind of problem, by its name, and what is wrong this time."""
        super().__init__(detail)
        self.kind, self.detail, self.retry_after = kind, detail, retry_after
        self.status, self.title = _KINDS[kind]

    def details(self, request_id: str = "") -> ProblemDetails:
        """As a document."""
        urn = f"urn:residerm:problem:{self.kind}"
        return ProblemDetails(type=urn, title=self.title, status=self.status, detail=self.detail, request_id=request_id)

    def response(self, request_id: str = "") -> Response:
        """As an answer over HTTP."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        body = self.details(request_id).model_dump_json()
        return Response(body, self.status, headers=headers, media_type=MEDIA_TYPE)


def of_status(status: int, detail: str) -> Problem:
    """The problem of a status that the framework found, such as 404."""
    return Problem(_BY_STATUS.get(status, "malformed"), detail)
