"""Holds one exchange with the API against Prolific's published OpenAPI document; the document is the judge, not us."""

from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from providers.prolific.simulator.simulator import Exchange

DOCUMENT = Path(__file__).parents[2].parent / "shared" / "specs" / "prolific-openapi-2026-02.yaml"
SERVER = "https://api.prolific.com"  # The only server that the document names; paths are matched against it.
SERVER_ERRORS = 500  # The document describes no answer from here on.
REFUSALS = 400


@lru_cache(maxsize=1)
def _document() -> OpenAPI:
    document = yaml.safe_load(DOCUMENT.read_text())
    for parameter in document["paths"]["/api/v1/participant-groups/"]["get"]["parameters"]:
        # `filter` is an object whose properties are the query's own names; openapi-core does not gather them.
        parameter["required"] = False
    # The document itself breaks rules of OpenAPI, so it is not validated; exchanges are.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def validate_exchange(exchange: Exchange) -> None:
    """Check the answer's shape, and the request's too unless it was refused.

    Raises:
        openapi_core.exceptions.OpenAPIError: the document does not allow it.
    """
    if exchange.status >= SERVER_ERRORS:
        return
    request = MockRequest(
        SERVER,
        exchange.method,
        exchange.path,
        args=dict(parse_qsl(exchange.query)),
        headers=exchange.request_headers,
        data=exchange.request_body,
    )
    answer = MockResponse(exchange.body, exchange.status, exchange.headers)
    if exchange.status < REFUSALS:
        _document().validate_request(request)
    _document().validate_response(request, answer)
