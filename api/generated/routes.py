# Generated from openapi/spec.yaml by openapi/codegen/server.py. Do not edit.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import APIRouter, Request, Response
from msgspec import Meta

from api.generated import schemas as s

T = TypeVar("T")


class Codec(Protocol):
    """Bytes to values and back, and endpoints of them; implemented by api/dependencies.py."""

    def endpoint(self, handler: Callable[[Request], Awaitable[Response]]) -> Any: ...

    def require(self, request: Request, scope: str) -> None: ...

    def only(self, request: Request, *names: str) -> None: ...

    async def body(self, request: Request, kind: type[T]) -> T: ...

    def path(self, request: Request, name: str, kind: Any) -> Any: ...

    def query(self, request: Request, name: str, kind: Any, default: Any, required: bool) -> Any: ...

    def answer(self, request: Request, value: Any, status: int) -> Response: ...


# operationId → method and path of the spec.
OPERATIONS = {
    "createChatCompletion": ("POST", "/v1/chat/completions"),
    "createCompletion": ("POST", "/v1/completions"),
    "createResponse": ("POST", "/v1/responses"),
    "countResponseInputTokens": ("POST", "/v1/responses/input_tokens"),
    "retrieveResponse": ("GET", "/v1/responses/{response_id}"),
    "deleteResponse": ("DELETE", "/v1/responses/{response_id}"),
    "cancelResponse": ("POST", "/v1/responses/{response_id}/cancel"),
    "listResponseInputItems": ("GET", "/v1/responses/{response_id}/input_items"),
    "createEmbedding": ("POST", "/v1/embeddings"),
    "createRerank": ("POST", "/v1/rerank"),
    "countChatTokens": ("POST", "/v1/chat/completions/input_tokens"),
    "tokenize": ("POST", "/v1/tokenize"),
    "detokenize": ("POST", "/v1/detokenize"),
    "createMessage": ("POST", "/v1/messages"),
    "countMessageTokens": ("POST", "/v1/messages/count_tokens"),
    "listFiles": ("GET", "/v1/files"),
    "createFile": ("POST", "/v1/files"),
    "retrieveFile": ("GET", "/v1/files/{file_id}"),
    "deleteFile": ("DELETE", "/v1/files/{file_id}"),
    "downloadFile": ("GET", "/v1/files/{file_id}/content"),
    "listBatches": ("GET", "/v1/batches"),
    "createBatch": ("POST", "/v1/batches"),
    "retrieveBatch": ("GET", "/v1/batches/{batch_id}"),
    "cancelBatch": ("POST", "/v1/batches/{batch_id}/cancel"),
    "listModels": ("GET", "/v1/models"),
    "retrieveModel": ("GET", "/v1/models/{model}"),
    "listUsage": ("GET", "/v1/usage"),
    "retrieveRequestUsage": ("GET", "/v1/usage/requests/{request_id}"),
    "retrieveLimits": ("GET", "/v1/limits"),
    "adminListProjects": ("GET", "/admin/v1/projects"),
    "adminCreateProject": ("POST", "/admin/v1/projects"),
    "adminArchiveProject": ("POST", "/admin/v1/projects/{project}/archive"),
    "adminAssignTier": ("PUT", "/admin/v1/projects/{project}/tier"),
    "adminListKeys": ("GET", "/admin/v1/keys"),
    "adminCreateKey": ("POST", "/admin/v1/keys"),
    "adminRevokeKey": ("POST", "/admin/v1/keys/{key_id}/revoke"),
    "adminRotateKey": ("POST", "/admin/v1/keys/{key_id}/rotate"),
    "adminListPrices": ("GET", "/admin/v1/prices"),
    "adminSetPrice": ("POST", "/admin/v1/prices"),
    "adminListBudgets": ("GET", "/admin/v1/budgets"),
    "adminSetBudget": ("PUT", "/admin/v1/budgets"),
    "adminClearBudget": ("DELETE", "/admin/v1/budgets"),
    "adminListCredits": ("GET", "/admin/v1/credits"),
    "adminAddCredits": ("POST", "/admin/v1/credits"),
    "adminShowLimits": ("GET", "/admin/v1/limits"),
    "adminSetLimits": ("PUT", "/admin/v1/limits"),
    "adminClearLimits": ("DELETE", "/admin/v1/limits"),
    "adminListTiers": ("GET", "/admin/v1/tiers"),
    "adminSetTier": ("PUT", "/admin/v1/tiers/{tier}"),
    "adminListAudit": ("GET", "/admin/v1/audit"),
    "adminListModels": ("GET", "/admin/v1/models"),
    "adminDownloadModel": ("POST", "/admin/v1/models/download"),
    "adminLoadModel": ("POST", "/admin/v1/models/{model}/load"),
    "adminUnloadModel": ("POST", "/admin/v1/models/{model}/unload"),
    "adminGetModelStatus": ("GET", "/admin/v1/models/{model}/status"),
    "adminGetModelEndpoint": ("GET", "/admin/v1/models/{model}/endpoint"),
    "getHealth": ("GET", "/healthz"),
    "getReadiness": ("GET", "/readyz"),
}


class ChatApi(ABC):
    @abstractmethod
    async def create_chat_completion(
        self, request: Request, body: s.ChatCompletionRequest
    ) -> s.ChatCompletion | Response:
        """Create a chat completion."""


def add_chat(router: APIRouter, impl: ChatApi, codec: Codec) -> None:
    async def create_chat_completion(request: Request) -> Response:
        return codec.answer(
            request, await impl.create_chat_completion(request, await codec.body(request, s.ChatCompletionRequest)), 200
        )

    router.add_route(
        "/v1/chat/completions",
        codec.endpoint(create_chat_completion),
        methods=["POST"],
        name="createChatCompletion",
        include_in_schema=False,
    )


class CompletionsApi(ABC):
    @abstractmethod
    async def create_completion(self, request: Request, body: s.CompletionRequest) -> s.Completion | Response:
        """Create a completion."""


def add_completions(router: APIRouter, impl: CompletionsApi, codec: Codec) -> None:
    async def create_completion(request: Request) -> Response:
        return codec.answer(
            request, await impl.create_completion(request, await codec.body(request, s.CompletionRequest)), 200
        )

    router.add_route(
        "/v1/completions",
        codec.endpoint(create_completion),
        methods=["POST"],
        name="createCompletion",
        include_in_schema=False,
    )


class ResponsesApi(ABC):
    @abstractmethod
    async def create_response(self, request: Request, body: s.ResponseRequest) -> s.Response | Response:
        """Create a response."""

    @abstractmethod
    async def count_response_input_tokens(self, request: Request, body: s.ResponsePrompt) -> s.InputTokens | Response:
        """Count the tokens of an input."""

    @abstractmethod
    async def retrieve_response(
        self, request: Request, response_id: str, stream: Literal["false"] | None = None
    ) -> s.Response | Response:
        """Retrieve a response."""

    @abstractmethod
    async def delete_response(self, request: Request, response_id: str) -> s.ResponseDeleted | Response:
        """Delete a response."""

    @abstractmethod
    async def cancel_response(self, request: Request, response_id: str) -> s.Response | Response:
        """Cancel a response."""

    @abstractmethod
    async def list_response_input_items(
        self,
        request: Request,
        response_id: str,
        limit: int = 20,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> s.ResponseItemList | Response:
        """List the input of a response."""


def add_responses(router: APIRouter, impl: ResponsesApi, codec: Codec) -> None:
    async def create_response(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request, await impl.create_response(request, await codec.body(request, s.ResponseRequest)), 200
        )

    router.add_route(
        "/v1/responses",
        codec.endpoint(create_response),
        methods=["POST"],
        name="createResponse",
        include_in_schema=False,
    )

    async def count_response_input_tokens(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request, await impl.count_response_input_tokens(request, await codec.body(request, s.ResponsePrompt)), 200
        )

    router.add_route(
        "/v1/responses/input_tokens",
        codec.endpoint(count_response_input_tokens),
        methods=["POST"],
        name="countResponseInputTokens",
        include_in_schema=False,
    )

    async def retrieve_response(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.retrieve_response(
                request,
                codec.path(
                    request,
                    "response_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
                codec.query(request, "stream", Literal["false"], None, False),
            ),
            200,
        )

    router.add_route(
        "/v1/responses/{response_id}",
        codec.endpoint(retrieve_response),
        methods=["GET"],
        name="retrieveResponse",
        include_in_schema=False,
    )

    async def delete_response(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.delete_response(
                request,
                codec.path(
                    request,
                    "response_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/responses/{response_id}",
        codec.endpoint(delete_response),
        methods=["DELETE"],
        name="deleteResponse",
        include_in_schema=False,
    )

    async def cancel_response(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.cancel_response(
                request,
                codec.path(
                    request,
                    "response_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/responses/{response_id}/cancel",
        codec.endpoint(cancel_response),
        methods=["POST"],
        name="cancelResponse",
        include_in_schema=False,
    )

    async def list_response_input_items(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.list_response_input_items(
                request,
                codec.path(
                    request,
                    "response_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=100)], 20, False),
                codec.query(request, "order", Literal["asc", "desc"], "desc", False),
                codec.query(
                    request,
                    "after",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/responses/{response_id}/input_items",
        codec.endpoint(list_response_input_items),
        methods=["GET"],
        name="listResponseInputItems",
        include_in_schema=False,
    )


class EmbeddingsApi(ABC):
    @abstractmethod
    async def create_embedding(self, request: Request, body: s.EmbeddingRequest) -> s.EmbeddingResponse | Response:
        """Create embeddings."""


def add_embeddings(router: APIRouter, impl: EmbeddingsApi, codec: Codec) -> None:
    async def create_embedding(request: Request) -> Response:
        return codec.answer(
            request, await impl.create_embedding(request, await codec.body(request, s.EmbeddingRequest)), 200
        )

    router.add_route(
        "/v1/embeddings",
        codec.endpoint(create_embedding),
        methods=["POST"],
        name="createEmbedding",
        include_in_schema=False,
    )


class RerankApi(ABC):
    @abstractmethod
    async def create_rerank(self, request: Request, body: s.RerankRequest) -> s.RerankResponse | Response:
        """Order documents by how near they are to a query."""


def add_rerank(router: APIRouter, impl: RerankApi, codec: Codec) -> None:
    async def create_rerank(request: Request) -> Response:
        return codec.answer(request, await impl.create_rerank(request, await codec.body(request, s.RerankRequest)), 200)

    router.add_route(
        "/v1/rerank", codec.endpoint(create_rerank), methods=["POST"], name="createRerank", include_in_schema=False
    )


class TokensApi(ABC):
    @abstractmethod
    async def count_chat_tokens(self, request: Request, body: s.ChatCompletionRequest) -> s.InputTokens | Response:
        """Count the tokens of a chat completion's prompt."""

    @abstractmethod
    async def tokenize(self, request: Request, body: s.TokenizeRequest) -> s.TokenizeResponse | Response:
        """Tokenize a text or a conversation."""

    @abstractmethod
    async def detokenize(self, request: Request, body: s.DetokenizeRequest) -> s.DetokenizeResponse | Response:
        """Turn tokens into text."""


def add_tokens(router: APIRouter, impl: TokensApi, codec: Codec) -> None:
    async def count_chat_tokens(request: Request) -> Response:
        return codec.answer(
            request, await impl.count_chat_tokens(request, await codec.body(request, s.ChatCompletionRequest)), 200
        )

    router.add_route(
        "/v1/chat/completions/input_tokens",
        codec.endpoint(count_chat_tokens),
        methods=["POST"],
        name="countChatTokens",
        include_in_schema=False,
    )

    async def tokenize(request: Request) -> Response:
        return codec.answer(request, await impl.tokenize(request, await codec.body(request, s.TokenizeRequest)), 200)

    router.add_route(
        "/v1/tokenize", codec.endpoint(tokenize), methods=["POST"], name="tokenize", include_in_schema=False
    )

    async def detokenize(request: Request) -> Response:
        return codec.answer(
            request, await impl.detokenize(request, await codec.body(request, s.DetokenizeRequest)), 200
        )

    router.add_route(
        "/v1/detokenize", codec.endpoint(detokenize), methods=["POST"], name="detokenize", include_in_schema=False
    )


class MessagesApi(ABC):
    @abstractmethod
    async def create_message(self, request: Request, body: s.MessageRequest) -> s.Message | Response:
        """Create a message."""

    @abstractmethod
    async def count_message_tokens(self, request: Request, body: s.MessageCountRequest) -> s.MessageTokens | Response:
        """Count the tokens of a message's prompt."""


def add_messages(router: APIRouter, impl: MessagesApi, codec: Codec) -> None:
    async def create_message(request: Request) -> Response:
        return codec.answer(
            request, await impl.create_message(request, await codec.body(request, s.MessageRequest)), 200
        )

    router.add_route(
        "/v1/messages", codec.endpoint(create_message), methods=["POST"], name="createMessage", include_in_schema=False
    )

    async def count_message_tokens(request: Request) -> Response:
        return codec.answer(
            request, await impl.count_message_tokens(request, await codec.body(request, s.MessageCountRequest)), 200
        )

    router.add_route(
        "/v1/messages/count_tokens",
        codec.endpoint(count_message_tokens),
        methods=["POST"],
        name="countMessageTokens",
        include_in_schema=False,
    )


class FilesApi(ABC):
    @abstractmethod
    async def list_files(
        self,
        request: Request,
        purpose: Literal["batch", "batch_output", "user_data"] | None = None,
        limit: int = 10000,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> s.FileList | Response:
        """List files."""

    @abstractmethod
    async def create_file(self, request: Request) -> s.File | Response:
        """Upload a file."""

    @abstractmethod
    async def retrieve_file(self, request: Request, file_id: str) -> s.File | Response:
        """Retrieve a file."""

    @abstractmethod
    async def delete_file(self, request: Request, file_id: str) -> s.FileDeleted | Response:
        """Delete a file."""

    @abstractmethod
    async def download_file(self, request: Request, file_id: str) -> None | Response:
        """Download a file."""


def add_files(router: APIRouter, impl: FilesApi, codec: Codec) -> None:
    async def list_files(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.list_files(
                request,
                codec.query(request, "purpose", Literal["batch", "batch_output", "user_data"], None, False),
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=10000)], 10000, False),
                codec.query(request, "order", Literal["asc", "desc"], "desc", False),
                codec.query(
                    request,
                    "after",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/files", codec.endpoint(list_files), methods=["GET"], name="listFiles", include_in_schema=False
    )

    async def create_file(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(request, await impl.create_file(request), 200)

    router.add_route(
        "/v1/files", codec.endpoint(create_file), methods=["POST"], name="createFile", include_in_schema=False
    )

    async def retrieve_file(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.retrieve_file(
                request,
                codec.path(
                    request, "file_id", Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/files/{file_id}",
        codec.endpoint(retrieve_file),
        methods=["GET"],
        name="retrieveFile",
        include_in_schema=False,
    )

    async def delete_file(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.delete_file(
                request,
                codec.path(
                    request, "file_id", Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/files/{file_id}",
        codec.endpoint(delete_file),
        methods=["DELETE"],
        name="deleteFile",
        include_in_schema=False,
    )

    async def download_file(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.download_file(
                request,
                codec.path(
                    request, "file_id", Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/files/{file_id}/content",
        codec.endpoint(download_file),
        methods=["GET"],
        name="downloadFile",
        include_in_schema=False,
    )


class BatchesApi(ABC):
    @abstractmethod
    async def list_batches(self, request: Request, after: str | None = None, limit: int = 20) -> s.BatchList | Response:
        """List batches."""

    @abstractmethod
    async def create_batch(self, request: Request, body: s.BatchRequest) -> s.Batch | Response:
        """Create a batch."""

    @abstractmethod
    async def retrieve_batch(self, request: Request, batch_id: str) -> s.Batch | Response:
        """Retrieve a batch."""

    @abstractmethod
    async def cancel_batch(self, request: Request, batch_id: str) -> s.Batch | Response:
        """Cancel a batch."""


def add_batches(router: APIRouter, impl: BatchesApi, codec: Codec) -> None:
    async def list_batches(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.list_batches(
                request,
                codec.query(
                    request,
                    "after",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=100)], 20, False),
            ),
            200,
        )

    router.add_route(
        "/v1/batches", codec.endpoint(list_batches), methods=["GET"], name="listBatches", include_in_schema=False
    )

    async def create_batch(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(request, await impl.create_batch(request, await codec.body(request, s.BatchRequest)), 200)

    router.add_route(
        "/v1/batches", codec.endpoint(create_batch), methods=["POST"], name="createBatch", include_in_schema=False
    )

    async def retrieve_batch(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.retrieve_batch(
                request,
                codec.path(
                    request,
                    "batch_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/batches/{batch_id}",
        codec.endpoint(retrieve_batch),
        methods=["GET"],
        name="retrieveBatch",
        include_in_schema=False,
    )

    async def cancel_batch(request: Request) -> Response:
        codec.require(request, "inference")
        return codec.answer(
            request,
            await impl.cancel_batch(
                request,
                codec.path(
                    request,
                    "batch_id",
                    Annotated[str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_-]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/batches/{batch_id}/cancel",
        codec.endpoint(cancel_batch),
        methods=["POST"],
        name="cancelBatch",
        include_in_schema=False,
    )


class ModelsApi(ABC):
    @abstractmethod
    async def list_models(self, request: Request) -> s.ModelList | Response:
        """List models."""

    @abstractmethod
    async def retrieve_model(self, request: Request, model: str) -> s.Model | Response:
        """Retrieve a model."""


def add_models(router: APIRouter, impl: ModelsApi, codec: Codec) -> None:
    async def list_models(request: Request) -> Response:
        return codec.answer(request, await impl.list_models(request), 200)

    router.add_route(
        "/v1/models", codec.endpoint(list_models), methods=["GET"], name="listModels", include_in_schema=False
    )

    async def retrieve_model(request: Request) -> Response:
        return codec.answer(
            request,
            await impl.retrieve_model(request, codec.path(request, "model", Annotated[str, Meta(min_length=1)])),
            200,
        )

    router.add_route(
        "/v1/models/{model:path}",
        codec.endpoint(retrieve_model),
        methods=["GET"],
        name="retrieveModel",
        include_in_schema=False,
    )


class UsageApi(ABC):
    @abstractmethod
    async def list_usage(
        self,
        request: Request,
        start_date: date | None = None,
        end_date: date | None = None,
        group_by: str = "day,model",
        model: str | None = None,
        key_id: str | None = None,
        project_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> s.UsagePage | Response:
        """List what was used."""

    @abstractmethod
    async def retrieve_request_usage(self, request: Request, request_id: str) -> s.RequestUsage | Response:
        """Explain the bill of a request."""


def add_usage(router: APIRouter, impl: UsageApi, codec: Codec) -> None:
    async def list_usage(request: Request) -> Response:
        codec.require(request, "usage")
        codec.only(request, "after", "end_date", "group_by", "key_id", "limit", "model", "project_id", "start_date")
        return codec.answer(
            request,
            await impl.list_usage(
                request,
                codec.query(request, "start_date", date, None, False),
                codec.query(request, "end_date", date, None, False),
                codec.query(
                    request,
                    "group_by",
                    Annotated[
                        str, Meta(pattern="^(day|hour|model|key|project)(,(day|hour|model|key|project)){0,3}\\Z")
                    ],
                    "day,model",
                    False,
                ),
                codec.query(
                    request,
                    "model",
                    Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "key_id",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "project_id",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=1000)], 100, False),
                codec.query(request, "after", Annotated[str, Meta(min_length=1, max_length=4096)], None, False),
            ),
            200,
        )

    router.add_route(
        "/v1/usage", codec.endpoint(list_usage), methods=["GET"], name="listUsage", include_in_schema=False
    )

    async def retrieve_request_usage(request: Request) -> Response:
        codec.require(request, "usage")
        codec.only(request)
        return codec.answer(
            request,
            await impl.retrieve_request_usage(
                request,
                codec.path(
                    request, "request_id", Annotated[str, Meta(max_length=64, pattern="^req_[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/usage/requests/{request_id}",
        codec.endpoint(retrieve_request_usage),
        methods=["GET"],
        name="retrieveRequestUsage",
        include_in_schema=False,
    )


class LimitsApi(ABC):
    @abstractmethod
    async def retrieve_limits(self, request: Request, model: str | None = None) -> s.LimitStates | Response:
        """Show what is left."""


def add_limits(router: APIRouter, impl: LimitsApi, codec: Codec) -> None:
    async def retrieve_limits(request: Request) -> Response:
        return codec.answer(
            request,
            await impl.retrieve_limits(
                request,
                codec.query(
                    request,
                    "model",
                    Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/v1/limits", codec.endpoint(retrieve_limits), methods=["GET"], name="retrieveLimits", include_in_schema=False
    )


class AdminApi(ABC):
    @abstractmethod
    async def admin_list_projects(self, request: Request) -> s.AdminProjectList | Response:
        """List projects."""

    @abstractmethod
    async def admin_create_project(self, request: Request, body: s.AdminCreateProject) -> s.AdminProject | Response:
        """Create a project."""

    @abstractmethod
    async def admin_archive_project(self, request: Request, project: str) -> s.AdminProject | Response:
        """Archive a project."""

    @abstractmethod
    async def admin_assign_tier(
        self, request: Request, body: s.AdminAssignTier, project: str
    ) -> s.AdminProject | Response:
        """Give a project another tier."""

    @abstractmethod
    async def admin_list_keys(
        self, request: Request, project: str | None = None, after: str | None = None, limit: int | None = None
    ) -> s.AdminKeyList | Response:
        """List API keys."""

    @abstractmethod
    async def admin_create_key(self, request: Request, body: s.AdminCreateKey) -> s.AdminNewKey | Response:
        """Create an API key."""

    @abstractmethod
    async def admin_revoke_key(self, request: Request, key_id: str) -> s.AdminKey | Response:
        """Revoke an API key."""

    @abstractmethod
    async def admin_rotate_key(self, request: Request, body: s.AdminRotateKey, key_id: str) -> s.AdminNewKey | Response:
        """Rotate an API key."""

    @abstractmethod
    async def admin_list_prices(self, request: Request) -> s.AdminPriceList | Response:
        """List prices."""

    @abstractmethod
    async def admin_set_price(self, request: Request, body: s.AdminSetPrice) -> s.AdminPrice | Response:
        """Set a model's price."""

    @abstractmethod
    async def admin_list_budgets(self, request: Request, project: str | None = None) -> s.BudgetList | Response:
        """List budgets."""

    @abstractmethod
    async def admin_set_budget(self, request: Request, body: s.AdminSetBudget) -> s.Budget | Response:
        """Set a budget."""

    @abstractmethod
    async def admin_clear_budget(
        self,
        request: Request,
        project: str | None = None,
        key_id: str | None = None,
        kind: Literal["month", "total"] | None = None,
    ) -> s.AdminCleared | Response:
        """Remove a budget."""

    @abstractmethod
    async def admin_list_credits(self, request: Request, project: str | None = None) -> s.BudgetList | Response:
        """Show credits."""

    @abstractmethod
    async def admin_add_credits(self, request: Request, body: s.AdminAddCredits) -> s.Budget | Response:
        """Grant credits."""

    @abstractmethod
    async def admin_show_limits(
        self, request: Request, project: str | None = None, key_id: str | None = None
    ) -> s.AdminLimitList | Response:
        """Show limits."""

    @abstractmethod
    async def admin_set_limits(self, request: Request, body: s.AdminSetLimits) -> s.AdminLimitList | Response:
        """Set limits."""

    @abstractmethod
    async def admin_clear_limits(
        self,
        request: Request,
        project: str | None = None,
        key_id: str | None = None,
        scope: Literal["project", "key", "model"] | None = None,
        model: str | None = None,
        name: Literal[
            "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
        ]
        | None = None,
    ) -> s.AdminLimitList | Response:
        """Clear limits."""

    @abstractmethod
    async def admin_list_tiers(self, request: Request) -> s.AdminTierList | Response:
        """List tiers."""

    @abstractmethod
    async def admin_set_tier(self, request: Request, body: s.AdminSetTier, tier: str) -> s.AdminTier | Response:
        """Change a tier, or make one."""

    @abstractmethod
    async def admin_list_audit(
        self, request: Request, limit: int = 100, after: str | None = None
    ) -> s.AuditPage | Response:
        """List changes."""


def add_admin(router: APIRouter, impl: AdminApi, codec: Codec) -> None:
    async def admin_list_projects(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(request, await impl.admin_list_projects(request), 200)

    router.add_route(
        "/admin/v1/projects",
        codec.endpoint(admin_list_projects),
        methods=["GET"],
        name="adminListProjects",
        include_in_schema=False,
    )

    async def admin_create_project(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_create_project(request, await codec.body(request, s.AdminCreateProject)), 200
        )

    router.add_route(
        "/admin/v1/projects",
        codec.endpoint(admin_create_project),
        methods=["POST"],
        name="adminCreateProject",
        include_in_schema=False,
    )

    async def admin_archive_project(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_archive_project(
                request,
                codec.path(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/projects/{project}/archive",
        codec.endpoint(admin_archive_project),
        methods=["POST"],
        name="adminArchiveProject",
        include_in_schema=False,
    )

    async def admin_assign_tier(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_assign_tier(
                request,
                await codec.body(request, s.AdminAssignTier),
                codec.path(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/projects/{project}/tier",
        codec.endpoint(admin_assign_tier),
        methods=["PUT"],
        name="adminAssignTier",
        include_in_schema=False,
    )

    async def admin_list_keys(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "after", "limit", "project")
        return codec.answer(
            request,
            await impl.admin_list_keys(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "after",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=1000)], None, False),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/keys",
        codec.endpoint(admin_list_keys),
        methods=["GET"],
        name="adminListKeys",
        include_in_schema=False,
    )

    async def admin_create_key(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_create_key(request, await codec.body(request, s.AdminCreateKey)), 200
        )

    router.add_route(
        "/admin/v1/keys",
        codec.endpoint(admin_create_key),
        methods=["POST"],
        name="adminCreateKey",
        include_in_schema=False,
    )

    async def admin_revoke_key(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_revoke_key(
                request,
                codec.path(
                    request, "key_id", Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/keys/{key_id}/revoke",
        codec.endpoint(admin_revoke_key),
        methods=["POST"],
        name="adminRevokeKey",
        include_in_schema=False,
    )

    async def admin_rotate_key(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_rotate_key(
                request,
                await codec.body(request, s.AdminRotateKey),
                codec.path(
                    request, "key_id", Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")]
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/keys/{key_id}/rotate",
        codec.endpoint(admin_rotate_key),
        methods=["POST"],
        name="adminRotateKey",
        include_in_schema=False,
    )

    async def admin_list_prices(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(request, await impl.admin_list_prices(request), 200)

    router.add_route(
        "/admin/v1/prices",
        codec.endpoint(admin_list_prices),
        methods=["GET"],
        name="adminListPrices",
        include_in_schema=False,
    )

    async def admin_set_price(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_set_price(request, await codec.body(request, s.AdminSetPrice)), 200
        )

    router.add_route(
        "/admin/v1/prices",
        codec.endpoint(admin_set_price),
        methods=["POST"],
        name="adminSetPrice",
        include_in_schema=False,
    )

    async def admin_list_budgets(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "project")
        return codec.answer(
            request,
            await impl.admin_list_budgets(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/budgets",
        codec.endpoint(admin_list_budgets),
        methods=["GET"],
        name="adminListBudgets",
        include_in_schema=False,
    )

    async def admin_set_budget(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_set_budget(request, await codec.body(request, s.AdminSetBudget)), 200
        )

    router.add_route(
        "/admin/v1/budgets",
        codec.endpoint(admin_set_budget),
        methods=["PUT"],
        name="adminSetBudget",
        include_in_schema=False,
    )

    async def admin_clear_budget(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "key_id", "kind", "project")
        return codec.answer(
            request,
            await impl.admin_clear_budget(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "key_id",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(request, "kind", Literal["month", "total"], None, False),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/budgets",
        codec.endpoint(admin_clear_budget),
        methods=["DELETE"],
        name="adminClearBudget",
        include_in_schema=False,
    )

    async def admin_list_credits(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "project")
        return codec.answer(
            request,
            await impl.admin_list_credits(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/credits",
        codec.endpoint(admin_list_credits),
        methods=["GET"],
        name="adminListCredits",
        include_in_schema=False,
    )

    async def admin_add_credits(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_add_credits(request, await codec.body(request, s.AdminAddCredits)), 200
        )

    router.add_route(
        "/admin/v1/credits",
        codec.endpoint(admin_add_credits),
        methods=["POST"],
        name="adminAddCredits",
        include_in_schema=False,
    )

    async def admin_show_limits(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "key_id", "project")
        return codec.answer(
            request,
            await impl.admin_show_limits(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "key_id",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/limits",
        codec.endpoint(admin_show_limits),
        methods=["GET"],
        name="adminShowLimits",
        include_in_schema=False,
    )

    async def admin_set_limits(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_set_limits(request, await codec.body(request, s.AdminSetLimits)), 200
        )

    router.add_route(
        "/admin/v1/limits",
        codec.endpoint(admin_set_limits),
        methods=["PUT"],
        name="adminSetLimits",
        include_in_schema=False,
    )

    async def admin_clear_limits(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "key_id", "model", "name", "project", "scope")
        return codec.answer(
            request,
            await impl.admin_clear_limits(
                request,
                codec.query(
                    request,
                    "project",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "key_id",
                    Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+\\Z")],
                    None,
                    False,
                ),
                codec.query(request, "scope", Literal["project", "key", "model"], None, False),
                codec.query(
                    request,
                    "model",
                    Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                    None,
                    False,
                ),
                codec.query(
                    request,
                    "name",
                    Literal[
                        "requests_per_minute",
                        "tokens_per_minute",
                        "requests_per_day",
                        "tokens_per_day",
                        "concurrent_requests",
                    ],
                    None,
                    False,
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/limits",
        codec.endpoint(admin_clear_limits),
        methods=["DELETE"],
        name="adminClearLimits",
        include_in_schema=False,
    )

    async def admin_list_tiers(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(request, await impl.admin_list_tiers(request), 200)

    router.add_route(
        "/admin/v1/tiers",
        codec.endpoint(admin_list_tiers),
        methods=["GET"],
        name="adminListTiers",
        include_in_schema=False,
    )

    async def admin_set_tier(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_set_tier(
                request,
                await codec.body(request, s.AdminSetTier),
                codec.path(
                    request,
                    "tier",
                    Annotated[str, Meta(min_length=1, max_length=100, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")],
                ),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/tiers/{tier}",
        codec.endpoint(admin_set_tier),
        methods=["PUT"],
        name="adminSetTier",
        include_in_schema=False,
    )

    async def admin_list_audit(request: Request) -> Response:
        codec.require(request, "admin")
        codec.only(request, "after", "limit")
        return codec.answer(
            request,
            await impl.admin_list_audit(
                request,
                codec.query(request, "limit", Annotated[int, Meta(ge=1, le=1000)], 100, False),
                codec.query(request, "after", Annotated[str, Meta(min_length=1, max_length=4096)], None, False),
            ),
            200,
        )

    router.add_route(
        "/admin/v1/audit",
        codec.endpoint(admin_list_audit),
        methods=["GET"],
        name="adminListAudit",
        include_in_schema=False,
    )


class LifecycleApi(ABC):
    @abstractmethod
    async def admin_list_models(self, request: Request) -> s.AdminModelList | Response:
        """List what could run."""

    @abstractmethod
    async def admin_download_model(self, request: Request, body: s.AdminDownloadModel) -> s.AdminModel | Response:
        """Download a model."""

    @abstractmethod
    async def admin_load_model(self, request: Request, body: s.AdminLoadModel, model: str) -> s.AdminModel | Response:
        """Load a model."""

    @abstractmethod
    async def admin_unload_model(
        self, request: Request, model: str, host: str | None = None
    ) -> s.AdminModel | Response:
        """Unload a model."""

    @abstractmethod
    async def admin_get_model_status(self, request: Request, model: str) -> s.AdminModel | Response:
        """How a model is."""

    @abstractmethod
    async def admin_get_model_endpoint(self, request: Request, model: str) -> s.AdminModelEndpoint | Response:
        """Where a model is."""


def add_lifecycle(router: APIRouter, impl: LifecycleApi, codec: Codec) -> None:
    async def admin_list_models(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request)
        return codec.answer(request, await impl.admin_list_models(request), 200)

    router.add_route(
        "/admin/v1/models",
        codec.endpoint(admin_list_models),
        methods=["GET"],
        name="adminListModels",
        include_in_schema=False,
    )

    async def admin_download_model(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request)
        return codec.answer(
            request, await impl.admin_download_model(request, await codec.body(request, s.AdminDownloadModel)), 202
        )

    router.add_route(
        "/admin/v1/models/download",
        codec.endpoint(admin_download_model),
        methods=["POST"],
        name="adminDownloadModel",
        include_in_schema=False,
    )

    async def admin_load_model(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_load_model(
                request,
                await codec.body(request, s.AdminLoadModel),
                codec.path(request, "model", Annotated[str, Meta(min_length=1, max_length=200)]),
            ),
            202,
        )

    router.add_route(
        "/admin/v1/models/{model:path}/load",
        codec.endpoint(admin_load_model),
        methods=["POST"],
        name="adminLoadModel",
        include_in_schema=False,
    )

    async def admin_unload_model(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request, "host")
        return codec.answer(
            request,
            await impl.admin_unload_model(
                request,
                codec.path(request, "model", Annotated[str, Meta(min_length=1, max_length=200)]),
                codec.query(request, "host", Annotated[str, Meta(min_length=1, max_length=255)], None, False),
            ),
            202,
        )

    router.add_route(
        "/admin/v1/models/{model:path}/unload",
        codec.endpoint(admin_unload_model),
        methods=["POST"],
        name="adminUnloadModel",
        include_in_schema=False,
    )

    async def admin_get_model_status(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_get_model_status(
                request, codec.path(request, "model", Annotated[str, Meta(min_length=1, max_length=200)])
            ),
            200,
        )

    router.add_route(
        "/admin/v1/models/{model:path}/status",
        codec.endpoint(admin_get_model_status),
        methods=["GET"],
        name="adminGetModelStatus",
        include_in_schema=False,
    )

    async def admin_get_model_endpoint(request: Request) -> Response:
        codec.require(request, "models")
        codec.only(request)
        return codec.answer(
            request,
            await impl.admin_get_model_endpoint(
                request, codec.path(request, "model", Annotated[str, Meta(min_length=1, max_length=200)])
            ),
            200,
        )

    router.add_route(
        "/admin/v1/models/{model:path}/endpoint",
        codec.endpoint(admin_get_model_endpoint),
        methods=["GET"],
        name="adminGetModelEndpoint",
        include_in_schema=False,
    )


class HealthApi(ABC):
    @abstractmethod
    async def get_health(self, request: Request) -> s.Health | Response:
        """Is this process alive."""

    @abstractmethod
    async def get_readiness(self, request: Request) -> s.Readiness | Response:
        """Can this process serve."""


def add_health(router: APIRouter, impl: HealthApi, codec: Codec) -> None:
    async def get_health(request: Request) -> Response:
        return codec.answer(request, await impl.get_health(request), 200)

    router.add_route("/healthz", codec.endpoint(get_health), methods=["GET"], name="getHealth", include_in_schema=False)

    async def get_readiness(request: Request) -> Response:
        return codec.answer(request, await impl.get_readiness(request), 200)

    router.add_route(
        "/readyz", codec.endpoint(get_readiness), methods=["GET"], name="getReadiness", include_in_schema=False
    )
