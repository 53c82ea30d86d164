"""What OpenAPI promises is kept, whatever is sent: requests that schemathesis draws from the service's description."""

from __future__ import annotations

from collections.abc import Iterator

import colour_service
import pytest
from hypothesis import HealthCheck, Phase, settings

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import CHECKS  # noqa: E402

schemathesis.serializer.alias("application/dicom", "application/octet-stream")
EXAMPLES = 20
PROMISES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
application = colour_service.make_app(upload_seconds=2.0)
schema = schemathesis.openapi.from_dict(application.openapi())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with colour_service.serve_in_thread(application) as url:
        yield url


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_openapi_names(case, address: str) -> None:
    case.call_and_validate(base_url=address, checks=[CHECKS.get_one(name) for name in PROMISES])
