"""The OpenAPI page, from the same classes that decode requests and encode answers."""

from typing import Any

import msgspec

from inference.serving.errors import ErrorBody
from inference.serving.schema import PrepareAnswer, PrepareRequest, RankAnswer, RankRequest

_REFUSALS = {
    "400": "A field is wrong; `param` names it.",
    "413": "Too many candidates, or too large a body.",
    "429": "It would be late; `Retry-After` says when to try again.",
    "503": "No release is loaded yet.",
    "504": "No answer within the deadline.",
}


def openapi() -> dict[str, Any]:  # Any: a JSON document
    """OpenAPI 3.1 of the ranker."""
    types = [RankRequest, RankAnswer, PrepareRequest, PrepareAnswer, ErrorBody]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    rank_request, rank_answer, prepare_request, prepare_answer, error = schemas
    page = {"200": {"description": "It is."}, "503": {"description": "It is not; the body says why."}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Solaris ranker",
            "version": "1",
            "description": "Ranks candidates for a user and says how fresh every part of the answer is.",
        },
        "paths": {
            "/v1/rank": {"post": _operation("Rank candidates for a user.", rank_request, "200", rank_answer, error)},
            "/v1/prepare": {
                "post": _operation(
                    "Retrieval has started: begin the user's side.", prepare_request, "202", prepare_answer, error
                )
            },
            "/livez": {"get": {"summary": "Is the process alive?", "responses": {"200": page["200"]}}},
            "/readyz": {"get": {"summary": "Is a release loaded and warm?", "responses": page}},
            "/metrics": {
                "get": {"summary": "Metrics for Prometheus.", "responses": {"200": {"description": "Text exposition."}}}
            },
        },
        "components": {"schemas": components},
    }


def _operation(summary: str, body: Any, status: str, answer: Any, error: Any) -> dict[str, Any]:  # Any: JSON schemas
    refusals = {code: {"description": text, "content": _json(error)} for code, text in _REFUSALS.items()}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _json(body)},
        "responses": {status: {"description": "The answer.", "content": _json(answer)}, **refusals},
    }


def _json(schema: Any) -> dict[str, Any]:  # Any: a JSON schema
    return {"application/json": {"schema": schema}}
