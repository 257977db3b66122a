"""An error in the form that its path's clients read: OpenAI's, or Anthropic's below /v1/messages.

By the path, not by the route: much is refused before a route is looked for.
"""

from __future__ import annotations

from typing import Any

from api.errors import ApiError

MESSAGES = "/v1/messages"

# Our type → the status that Anthropic's clients know for it, where it is another than ours.
STATUSES = {"insufficient_quota": 402, "service_unavailable_error": 529}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    500: "api_error",
    502: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def speaks_messages(path: str) -> bool:
    """Whether a path's clients read Anthropic's form."""
    return f"{path}/".startswith(f"{MESSAGES}/")


def shown(error: ApiError, path: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body for a client of this path."""
    if speaks_messages(path):
        return message_status(error), message_error(error, request_id)
    return error.status, error.body()


def message_status(error: ApiError) -> int:
    return STATUSES.get(error.type, error.status)


def message_error(error: ApiError, request_id: str) -> dict[str, Any]:
    """The body in Anthropic's form, of an answer and of an event of a stream alike."""
    said: dict[str, Any] = {"type": TYPES[message_status(error)], "message": error.message}
    if error.code or error.param:
        said["details"] = {"error_code": error.code, "param": error.param}
    return {"type": "error", "error": said, "request_id": request_id}
