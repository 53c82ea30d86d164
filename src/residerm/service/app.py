"""The application: its routes, and their description in OpenAPI.

    app = create_app(Served(...), ServeOptions())        # can be run by any ASGI server, in one process

Images are handled in `worker`; ids, security, logs and metrics of requests in `front`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

import residerm
from residerm.config import ServeOptions
from residerm.description import DISCLAIMER
from residerm.service import logs
from residerm.service.answers import Answers, Health, ModelAnswer
from residerm.service.front import Front
from residerm.service.gate import GATE, Gate
from residerm.service.identity import Served
from residerm.service.metrics import CONTENT_TYPE, Metrics
from residerm.service.openapi import ANSWER_PROBLEMS, IMAGES_BODY, PROTECTED, describe_problems, problem_responses
from residerm.service.problems import Problem, of_status
from residerm.service.security import Guard, is_loopback
from residerm.service.worker import Explain, Worker

_PAGE: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/answer.js": ("answer.js", "text/javascript; charset=utf-8"),
}
_CLASS = "Class to explain. Default: the predicted one."
_DESCRIPTION = f"Skin-lesion images in, calibrated probabilities out. {DISCLAIMER}"


def create_app(model: Served, options: ServeOptions, token: str | None = None) -> FastAPI:
    """Create the application of one worker."""
    metrics = Metrics(model.identity.name, model.identity.sha256, residerm.__version__)
    worker = Worker(model, options, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        await worker.start()
        gate = Gate(worker.limits.require_room, metrics)
        yield {GATE: gate}
        await worker.end()
        gate.flush()
        logs.flush()

    app = FastAPI(
        title="residerm",
        version=residerm.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # these pages would load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
    )
    guard = Guard(token, is_loopback(options.host))
    room, direct = worker.limits.require_room, {("POST", "/v1/predict"): _predict(worker)}
    app.add_middleware(Front, guard=guard, metrics=metrics, require_room=room, direct=direct)
    _handle_errors(app, metrics)
    _add_model_routes(app, worker)
    _add_operations(app, worker)
    _add_page(app)
    describe_problems(app)
    return app


def _predict(worker: Worker) -> ASGIApp:
    """The route `/v1/predict` without the framework."""

    async def predict(scope: Scope, receive: Receive, send: Send) -> None:
        await _json(await worker.answer(Request(scope, receive)))(scope, receive, send)

    return predict


def _add_model_routes(app: FastAPI, worker: Worker) -> None:
    limits = worker.options

    @app.post(
        "/v1/predict",
        response_model=Answers,
        responses=problem_responses(*ANSWER_PROBLEMS),
        openapi_extra={**IMAGES_BODY, **PROTECTED},
        operation_id="predict",
    )
    async def predict(request: Request) -> Response:
        """Probabilities, prediction set, abstention and outlier score of one image (body) or several (form)."""
        return _json(await worker.answer(request))

    @app.post(
        "/v1/explain",
        response_model=Answers,
        responses=problem_responses(*ANSWER_PROBLEMS, 409),
        openapi_extra={**IMAGES_BODY, **PROTECTED},
        operation_id="explain",
    )
    async def explain(
        request: Request,
        label: Annotated[str | None, Query(alias="class", max_length=100, description=_CLASS)] = None,
    ) -> Response:
        """The same as /v1/predict, with the evidence for and against a class in each image."""
        return _json(await worker.answer(request, Explain(label)))

    @app.get(
        "/v1/model",
        response_model=ModelAnswer,
        responses=problem_responses(401, 403),
        openapi_extra=PROTECTED,
        operation_id="model",
    )
    async def model() -> Response:
        """The model that is served: description, card, hash, parity, trust; and the limits of a request."""
        bounds = {"files": limits.max_files, "megabytes": limits.max_megabytes, "megapixels": limits.max_megapixels}
        return _json(worker.model.document(bounds))


def _add_operations(app: FastAPI, worker: Worker) -> None:
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", response_model=Health, responses=problem_responses(503), operation_id="healthz")
    async def healthz() -> Response:
        """Liveness: if it fails, the process should be restarted."""
        return _health(worker.is_alive(), "alive", "the model's thread is stuck or has died")

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", response_model=Health, responses=problem_responses(503), operation_id="readyz")
    async def readyz() -> Response:
        """Readiness: if it fails, requests should be sent to another instance."""
        return _health(worker.is_ready(), "ready", "the service is not ready")

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problem_responses(401, 403)},
        openapi_extra=PROTECTED,
        operation_id="metrics",
    )
    async def metrics() -> Response:
        """Metrics of this worker, for Prometheus."""
        return Response(worker.metrics.text(), headers={"content-type": CONTENT_TYPE})


def _add_page(app: FastAPI) -> None:
    for path, (name, kind) in _PAGE.items():
        app.add_route(path, _file_route(name, kind), methods=["GET"], include_in_schema=False)


def _handle_errors(app: FastAPI, metrics: Metrics) -> None:
    def refuse(request: Request, problem: Problem) -> Response:
        metrics.problem(problem.kind)
        return problem.response(request.scope["state"]["request_id"])

    @app.exception_handler(Problem)
    async def problem_found(request: Request, error: Problem) -> Response:
        return refuse(request, error)

    @app.exception_handler(RequestValidationError)
    async def parameter_wrong(request: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(f"{finding['loc'][-1]}: {finding['msg']}" for finding in error.errors())
        return refuse(request, Problem("invalid", wrong))

    @app.exception_handler(HTTPException)
    async def framework_refused(request: Request, error: HTTPException) -> Response:
        answer = refuse(request, of_status(error.status_code, "see /openapi.json for the API"))
        answer.headers.update(error.headers or {})
        return answer


def _health(well: bool, status: str, otherwise: str) -> Response:
    if not well:
        raise Problem("ending", otherwise, retry_after=5)
    return _json(Health(status=status))


def _json(document: BaseModel) -> Response:
    return Response(document.model_dump_json(), media_type="application/json")


def _file_route(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return Response(_page_file(name), media_type=kind)

    return page


@cache
def _page_file(name: str) -> bytes:
    return files("residerm.service").joinpath("page", name).read_bytes()
