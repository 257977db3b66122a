"""Everything a caller can be told went wrong: a tree with one door (`middleware/errors.py` answers with it).

Shape, status, type and code follow the wire contract: `{"error": {"message", "type", "param", "code"}}`.
`answers/errors.py` says the same in the form of other APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A failure that has an HTTP status. `message` says what was wrong and what to do next."""

    status = 500
    type: str = "server_error"
    code: str | None = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_ms: int | None = None,
        retryable: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = type(self).code if code is None else code
        self.retry_after_ms = retry_after_ms
        self._retryable = retryable
        self._headers = headers or {}

    def body(self) -> dict[str, dict[str, str | None]]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, rounded up, with its exact companion; `x-should-retry` where it matters."""
        headers = dict(self._headers)
        if self.retry_after_ms is not None:
            headers["retry-after"] = str(max(1, -(-self.retry_after_ms // 1000)))
            headers["retry-after-ms"] = str(self.retry_after_ms)
        if self._retryable is not None:
            headers["x-should-retry"] = "true" if self._retryable else "false"
        return headers


class InvalidRequestError(ApiError):
    status = 400
    type = "invalid_request_error"
    code: str | None = None


class ContextLengthExceededError(InvalidRequestError):
    code = "context_length_exceeded"


class AuthenticationError(ApiError):
    status = 401
    type = "invalid_request_error"
    code: str | None = "invalid_api_key"

    def headers(self) -> dict[str, str]:
        """With the challenge that RFC 9110, 11.6.1 asks for."""
        return {"www-authenticate": "Bearer", **super().headers()}


class PermissionDeniedError(ApiError):
    status = 403
    type = "invalid_request_error"
    code = "permission_denied"


class NotFoundError(ApiError):
    status = 404
    type = "invalid_request_error"
    code: str | None = None


class ModelNotFoundError(NotFoundError):
    code = "model_not_found"


class MethodNotAllowedError(ApiError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_supported"


class RequestTimeoutError(ApiError):
    status = 408
    type = "timeout_error"
    code = "request_timeout"


class ConflictError(ApiError):
    """Something else has to end first, or has happened already."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"


class NoRoomError(ConflictError):
    """A model host has not enough memory, or not enough disk, until something else goes."""

    code = "insufficient_room"


class IdempotencyKeyReusedError(InvalidRequestError):
    code = "idempotency_key_reused"


class RequestTooLargeError(ApiError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class HeadTooLargeError(ApiError):
    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class UnsupportedContentTypeError(ApiError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_content_type"


class InsufficientQuotaError(ApiError):
    """Credits or a budget do not cover the request. Trying again does not help."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"


class QuotaHeldError(InsufficientQuotaError):
    """What it lacks is held for others that run: it may be covered when they are through and cost less."""


class StorageQuotaError(ApiError):
    """A project's files are as many bytes as they may be. Trying again does not help; deleting some does."""

    status = 429
    type = "insufficient_quota"
    code = "storage_quota_exceeded"


class QueueFullError(ApiError):
    """A project's batches have as many tokens as they may. Trying again helps when one of them is over."""

    status = 429
    type = "tokens"
    code = "token_limit_exceeded"


class RateLimitError(ApiError):
    """A request that does not fit its principal's limits. Nothing was taken from any of them."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, unit: str, reason: str, **told: Any) -> None:
        """`unit`: requests or tokens, the error's type. `reason`: SCOPE:LIMIT:WHY, for metrics."""
        super().__init__(message, **told)
        self.type = unit
        self.reason = reason


class TooManyWrongKeysError(ApiError):
    """So many that the next unknown one is not looked at."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class InternalError(ApiError):
    """A bug of ours."""


class PoisonRequestError(InternalError):
    """Workers died twice while they ran this request: it is not sent to a third one."""

    code = "poison_request"


class UpstreamError(ApiError):
    """A worker broke after it had taken the request."""

    status = 502
    type = "server_error"
    code = "upstream_error"


class OverloadedError(ApiError):
    """No replica can take the request now. Nothing was started."""

    status = 503
    type = "service_unavailable_error"
    code = "server_is_overloaded"


class ShuttingDownError(OverloadedError):
    """This process ends, and has waited for running answers as long as it may (`DRAIN_S`)."""

    def __init__(self, message: str = "The server is shutting down. Please try again.") -> None:
        super().__init__(message, retry_after_ms=1000)


class WorkerDiedError(OverloadedError):
    """The worker stopped before it answered, and no other one was there to take over."""


class LedgerUnavailableError(ApiError):
    """PostgreSQL is away: what cannot be recorded is not started."""

    status = 503
    type = "service_unavailable_error"
    code = "ledger_unavailable"


class LimiterUnavailableError(ApiError):
    """Redis is away, and RATE_LIMIT_ON_FAILURE=closed."""

    status = 503
    type = "service_unavailable_error"
    code = "limiter_unavailable"


class StorageUnavailableError(ApiError):
    """The folder or bucket that files are in does not take or give them."""

    status = 503
    type = "service_unavailable_error"
    code = "storage_unavailable"


class UpstreamTimeoutError(ApiError):
    status = 504
    type = "timeout_error"
    code = "upstream_timeout"
