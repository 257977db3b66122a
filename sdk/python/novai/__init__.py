# Generated from openapi/spec.yaml by `make sdk`. Do not edit.


"""NovAI's API from Python: `NovAI`, and `AsyncNovAI` to be awaited.

from novai import NovAI

client = NovAI()  # NOVAI_API_KEY, NOVAI_BASE_URL
answer = client.chat.completions.create(model="…", messages=[{"role": "user", "content": "Hello"}])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._client import VERSION as __version__
from ._client import AsyncNovAI, NovAI
from ._runtime.client import DefaultAsyncHttpxClient, DefaultHttpxClient
from ._runtime.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContentFilterFinishReasonError,
    ContextLengthExceededError,
    InsufficientQuotaError,
    InternalServerError,
    LengthFinishReasonError,
    NotFoundError,
    NovAIError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from ._runtime.objects import Object
from ._runtime.omit import Omit, omit
from ._runtime.pages import AsyncPage, Page
from ._runtime.responses import BinaryResponse, RawResponse
from ._runtime.streaming import AsyncStream, Stream

if TYPE_CHECKING:
    from . import params, types
    from ._runtime.structured import pydantic_function_tool

NOT_GIVEN = omit
# Read when they are first asked for: most programs never do.
_LATER = {"params": "params", "types": "types", "pydantic_function_tool": "_runtime.structured"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_LATER[name]}", __name__)
    return module if name == _LATER[name] else getattr(module, name)


__all__ = [
    "NOT_GIVEN",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncNovAI",
    "AsyncPage",
    "AsyncStream",
    "AuthenticationError",
    "BadRequestError",
    "BinaryResponse",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "ContextLengthExceededError",
    "DefaultAsyncHttpxClient",
    "DefaultHttpxClient",
    "InsufficientQuotaError",
    "InternalServerError",
    "LengthFinishReasonError",
    "Object",
    "NotFoundError",
    "NovAI",
    "NovAIError",
    "Omit",
    "Page",
    "PermissionDeniedError",
    "RateLimitError",
    "RawResponse",
    "Stream",
    "UnprocessableEntityError",
    "__version__",
    "omit",
    "params",
    "pydantic_function_tool",
    "types",
]
