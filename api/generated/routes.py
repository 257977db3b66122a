# Generated from openapi/spec.yaml by openapi/codegen/server.py. Do not edit.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Request, Response

from api.generated import schemas as s

T = TypeVar("T")


class Codec(Protocol):
    """Bytes to values and back, and endpoints of them; implemented by api/dependencies.py."""

    def endpoint(self, handler: Callable[[Request], Awaitable[Response]]) -> Any: ...

    async def body(self, request: Request, kind: type[T]) -> T: ...

    def query(self, request: Request, name: str, kind: Any, default: Any, required: bool) -> Any: ...

    def answer(self, value: Any, status: int) -> Response: ...


# operationId → method and path of the spec.
OPERATIONS = {
    "createChatCompletion": ("POST", "/v1/chat/completions"),
    "createEmbedding": ("POST", "/v1/embeddings"),
    "listModels": ("GET", "/v1/models"),
    "retrieveModel": ("GET", "/v1/models/{model}"),
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
            await impl.create_chat_completion(request, await codec.body(request, s.ChatCompletionRequest)), 200
        )

    router.add_route(
        "/v1/chat/completions",
        codec.endpoint(create_chat_completion),
        methods=["POST"],
        name="createChatCompletion",
        include_in_schema=False,
    )


class EmbeddingsApi(ABC):
    @abstractmethod
    async def create_embedding(self, request: Request, body: s.EmbeddingRequest) -> s.EmbeddingResponse | Response:
        """Create embeddings."""


def add_embeddings(router: APIRouter, impl: EmbeddingsApi, codec: Codec) -> None:
    async def create_embedding(request: Request) -> Response:
        return codec.answer(await impl.create_embedding(request, await codec.body(request, s.EmbeddingRequest)), 200)

    router.add_route(
        "/v1/embeddings",
        codec.endpoint(create_embedding),
        methods=["POST"],
        name="createEmbedding",
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
        return codec.answer(await impl.list_models(request), 200)

    router.add_route(
        "/v1/models", codec.endpoint(list_models), methods=["GET"], name="listModels", include_in_schema=False
    )

    async def retrieve_model(request: Request) -> Response:
        return codec.answer(await impl.retrieve_model(request, request.path_params["model"]), 200)

    router.add_route(
        "/v1/models/{model:path}",
        codec.endpoint(retrieve_model),
        methods=["GET"],
        name="retrieveModel",
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
        return codec.answer(await impl.get_health(request), 200)

    router.add_route("/healthz", codec.endpoint(get_health), methods=["GET"], name="getHealth", include_in_schema=False)

    async def get_readiness(request: Request) -> Response:
        return codec.answer(await impl.get_readiness(request), 200)

    router.add_route(
        "/readyz", codec.endpoint(get_readiness), methods=["GET"], name="getReadiness", include_in_schema=False
    )
