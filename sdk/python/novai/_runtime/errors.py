"""Every error of this package.

NovAIError
├── APIError                           message, request, body; code, param and type as the server gave them
│   ├── APIConnectionError             nothing arrived, or not all of it
│   │   └── APITimeoutError
│   ├── APIResponseValidationError     an answer that is no JSON; with `validate_responses`, not what was promised
│   └── APIStatusError                 response, status_code, request_id, retry_after
│       ├── BadRequestError            400
│       │   └── ContextLengthExceededError
│       ├── AuthenticationError        401
│       ├── PermissionDeniedError      403
│       ├── NotFoundError              404
│       ├── ConflictError              409
│       ├── UnprocessableEntityError   422
│       ├── RateLimitError             429
│       │   └── InsufficientQuotaError  no retry helps: credits or a budget are used up; in Anthropic's form 402
│       └── InternalServerError        500 and above
├── LengthFinishReasonError            the answer was cut before it had the form that was asked for
└── ContentFilterFinishReasonError
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .retries import retry_after_s

if TYPE_CHECKING:
    import httpx


class NovAIError(Exception):
    """What this package raises."""


class APIError(NovAIError):
    """The server could not be asked, or said no. Raised itself for an error within a stream."""

    def __init__(self, message: str, *, request: httpx.Request | None = None, body: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.body = body
        said = error_of(body)
        self.code = text_of(said, "code", "error_code")
        self.param = text_of(said, "param", "param")
        self.type = text_of(said, "type")

    def __reduce__(self) -> tuple[Any, ...]:
        """For pools of processes, which send errors home: without the request and the response, which hold the key."""
        kept = {name: None if name in ("request", "response") else value for name, value in self.__dict__.items()}
        return restored, (type(self), self.args, kept)


def restored(kind: type[APIError], args: tuple[Any, ...], fields: dict[str, Any]) -> APIError:
    """An error that was pickled."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class APIConnectionError(APIError):
    def __init__(self, message: str = "Connection error.", *, request: httpx.Request | None = None) -> None:
        super().__init__(message, request=request)


class APITimeoutError(APIConnectionError):
    def __init__(self, message: str = "Request timed out.", *, request: httpx.Request | None = None) -> None:
        super().__init__(message, request=request)


class APIResponseValidationError(APIError):
    def __init__(self, message: str, *, response: httpx.Response, body: object) -> None:
        super().__init__(message, request=response.request, body=body)
        self.response = response
        self.status_code = response.status_code


class APIStatusError(APIError):
    """An answer of 400 or above. `retry_after`: seconds until a retry can help, where the server said so."""

    def __init__(self, message: str, *, response: httpx.Response, body: object) -> None:
        super().__init__(message, request=response.request, body=body)
        self.response = response
        self.status_code = response.status_code
        self.request_id = response.headers.get("x-request-id")
        self.retry_after = retry_after_s(response.headers)


class BadRequestError(APIStatusError): ...


class ContextLengthExceededError(BadRequestError):
    """The prompt and what may be answered do not fit the model's context."""


class AuthenticationError(APIStatusError): ...


class PermissionDeniedError(APIStatusError): ...


class NotFoundError(APIStatusError): ...


class ConflictError(APIStatusError): ...


class UnprocessableEntityError(APIStatusError): ...


class RateLimitError(APIStatusError): ...


class InsufficientQuotaError(RateLimitError):
    """Credits or a budget do not cover the request. Waiting does not help, so it is not retried."""


class InternalServerError(APIStatusError): ...


class FinishReasonError(NovAIError):
    """An answer that `parse()` cannot read, because of how it ended. `completion` is the answer."""

    reason = ""

    def __init__(self, completion: Any) -> None:
        super().__init__(self.reason)
        self.completion = completion


class LengthFinishReasonError(FinishReasonError):
    reason = "The answer was cut at the limit of tokens before it was complete; raise the limit."


class ContentFilterFinishReasonError(FinishReasonError):
    reason = "The answer was stopped by the content filter."


BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}
BY_CODE: dict[str | None, type[APIStatusError]] = {
    "context_length_exceeded": ContextLengthExceededError,
    "insufficient_quota": InsufficientQuotaError,
}


def error_of(body: object) -> dict[str, Any]:
    """The `error` of a body, as OpenAI and Anthropic nest it; empty when there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def text_of(said: dict[str, Any], name: str, among_details: str = "") -> str | None:
    """A field of an error, which Anthropic's form has among its details. Proxies have errors of other forms."""
    details = said.get("details")
    text = said.get(name) or (details.get(among_details) if isinstance(details, dict) else None)
    return text if isinstance(text, str) else None


def json_of(response: httpx.Response) -> Any:
    """Of a success. Raises APIResponseValidationError for what is no JSON: a page of a proxy or of another server."""
    try:
        return response.json()
    except ValueError as error:
        raise APIResponseValidationError("The answer is not JSON.", response=response, body=response.text) from error


def status_error(response: httpx.Response) -> APIStatusError:
    """The error of an answer whose body has been read."""
    try:
        body: object = response.json()
    except ValueError:
        body = response.text
    said = error_of(body)
    status = response.status_code
    known = BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    special = BY_CODE.get(text_of(said, "code", "error_code")) or BY_CODE.get(text_of(said, "type"))
    message = f"Error code: {status} - {said.get('message') or body or response.reason_phrase}"
    return (special or known)(message, response=response, body=body)
