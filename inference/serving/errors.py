"""What a request can be refused with: one exception, one body, `{"error": {"type", "message", "param"}}`."""

import msgspec
from msgspec import Struct


class ErrorDetail(Struct, frozen=True):
    """`param` is the field at fault, null where no single one is."""

    type: str
    message: str
    param: str | None = None


class ErrorBody(Struct, frozen=True):
    """The body of every answer that is not 2xx."""

    error: ErrorDetail


class RequestError(Exception):
    """A refusal with its HTTP status; `type` is a short label, fit for a metric."""

    def __init__(
        self, status: int, type: str, message: str, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> bytes:
        return msgspec.json.encode(ErrorBody(ErrorDetail(self.type, str(self), self.param)))


def invalid(message: str, param: str | None) -> RequestError:
    """400: the field `param` is wrong."""
    return RequestError(400, "invalid_request", message, param)


def too_large(message: str, param: str | None) -> RequestError:
    """413: more than is taken."""
    return RequestError(413, "too_large", message, param)


def overloaded(predicted_s: float, remaining_s: float, retry_after_s: int) -> RequestError:
    """429: it would be late, so it is not begun."""
    predicted_ms, remaining_ms = predicted_s * 1000, max(remaining_s, 0) * 1000
    message = f"this would take about {predicted_ms:.0f} ms and {remaining_ms:.0f} ms are left; try later"
    return RequestError(429, "overloaded", message, retry_after_s=retry_after_s)


def not_ready(message: str) -> RequestError:
    """503: this process cannot rank anything yet."""
    return RequestError(503, "not_ready", message, retry_after_s=1)


def past_deadline(deadline_ms: int) -> RequestError:
    """504: not even the fallback was in time."""
    return RequestError(504, "past_deadline", f"no answer within {deadline_ms} ms", "deadline_ms")
