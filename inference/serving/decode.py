"""A request's bytes to a request, or a refusal that names the field."""

import re
from typing import TypeVar

import msgspec

from inference.serving.errors import invalid, too_large
from inference.serving.schema import PrepareRequest, RankRequest
from runtime.ids import MAX_ID_BYTES, check_id
from streams.wire.codec import plain_path
from streams.wire.events import MAX_CANDIDATES

# 10,000 candidates with the longest ids fit, as they do in a record; ten megabytes are refused while they come in.
MAX_BODY_BYTES = 4_194_304

R = TypeVar("R", RankRequest, PrepareRequest)

_rank = msgspec.json.Decoder(RankRequest)
_prepare = msgspec.json.Decoder(PrepareRequest)
_PATH = re.compile(r" - at `\$\.?(.*)`$")
_FIELD = re.compile(r"(?:required|unknown) field `(.*?)`")


def decode_rank(body: bytes) -> RankRequest:
    """Raises RequestError: 400 naming the field, 413 for too many candidates."""
    request = _decode(_rank, body)
    ids = [candidate.item_id for candidate in request.candidates]
    if not ids:
        raise invalid("candidates is empty; there is nothing to rank", "candidates")
    if len(ids) > MAX_CANDIDATES:
        raise too_large(f"{len(ids)} candidates; at most {MAX_CANDIDATES} are ranked at once", "candidates")
    if max(map(len, ids)) * 4 > MAX_ID_BYTES:  # a character has at most four bytes, so mostly this is the only check
        for index, item_id in enumerate(ids):
            _check(f"candidates[{index}].item_id", item_id)
    if len(set(ids)) != len(ids):
        first: dict[str, int] = {}
        for index, item_id in enumerate(ids):
            if first.setdefault(item_id, index) != index:
                param = f"candidates[{index}].item_id"
                raise invalid(f"{param} is the same as candidates[{first[item_id]}].item_id", param)
    _check_own(request)
    return request


def decode_prepare(body: bytes) -> PrepareRequest:
    """Raises RequestError: 400 naming the field."""
    request = _decode(_prepare, body)
    _check_own(request)
    return request


def _decode(decoder: msgspec.json.Decoder[R], body: bytes) -> R:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        raise invalid(plain_path(message), _param(message)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"the body is not JSON: {error}", None) from None


def _param(message: str) -> str | None:
    path, field = _PATH.search(message), _FIELD.search(message)
    parts = [match.group(1) for match in (path, field) if match and match.group(1)]
    return ".".join(parts) or None


def _check_own(request: RankRequest | PrepareRequest) -> None:
    _check("request_id", request.request_id)
    _check("user_id", request.user_id)


def _check(field: str, value: str) -> None:
    try:
        check_id(field, value)
    except ValueError as error:
        raise invalid(str(error), field) from None
