# Generated from openapi/spec.yaml by `make sdk`. Do not edit.

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ._runtime.client import AsyncClient, SyncClient

if TYPE_CHECKING:
    from . import resources

VERSION = "0.1.0"


class NovAI(SyncClient):
    """The API, call by call. Safe to share among threads; `close` it, or use it in a `with`."""

    version = VERSION

    @cached_property
    def chat(self) -> resources.Chat:
        from .resources import Chat

        return Chat(self)

    @cached_property
    def completions(self) -> resources.Completions:
        from .resources import Completions

        return Completions(self)

    @cached_property
    def responses(self) -> resources.Responses:
        from .resources import Responses

        return Responses(self)

    @cached_property
    def embeddings(self) -> resources.Embeddings:
        from .resources import Embeddings

        return Embeddings(self)

    @cached_property
    def rerank(self) -> resources.Rerank:
        from .resources import Rerank

        return Rerank(self)

    @cached_property
    def tokens(self) -> resources.Tokens:
        from .resources import Tokens

        return Tokens(self)

    @cached_property
    def messages(self) -> resources.Messages:
        from .resources import Messages

        return Messages(self)

    @cached_property
    def files(self) -> resources.Files:
        from .resources import Files

        return Files(self)

    @cached_property
    def batches(self) -> resources.Batches:
        from .resources import Batches

        return Batches(self)

    @cached_property
    def models(self) -> resources.Models:
        from .resources import Models

        return Models(self)

    @cached_property
    def usage(self) -> resources.Usage:
        from .resources import Usage

        return Usage(self)

    @cached_property
    def limits(self) -> resources.Limits:
        from .resources import Limits

        return Limits(self)

    @cached_property
    def admin(self) -> resources.Admin:
        from .resources import Admin

        return Admin(self)


class AsyncNovAI(AsyncClient):
    """As `NovAI`, to be awaited."""

    version = VERSION

    @cached_property
    def chat(self) -> resources.AsyncChat:
        from .resources import AsyncChat

        return AsyncChat(self)

    @cached_property
    def completions(self) -> resources.AsyncCompletions:
        from .resources import AsyncCompletions

        return AsyncCompletions(self)

    @cached_property
    def responses(self) -> resources.AsyncResponses:
        from .resources import AsyncResponses

        return AsyncResponses(self)

    @cached_property
    def embeddings(self) -> resources.AsyncEmbeddings:
        from .resources import AsyncEmbeddings

        return AsyncEmbeddings(self)

    @cached_property
    def rerank(self) -> resources.AsyncRerank:
        from .resources import AsyncRerank

        return AsyncRerank(self)

    @cached_property
    def tokens(self) -> resources.AsyncTokens:
        from .resources import AsyncTokens

        return AsyncTokens(self)

    @cached_property
    def messages(self) -> resources.AsyncMessages:
        from .resources import AsyncMessages

        return AsyncMessages(self)

    @cached_property
    def files(self) -> resources.AsyncFiles:
        from .resources import AsyncFiles

        return AsyncFiles(self)

    @cached_property
    def batches(self) -> resources.AsyncBatches:
        from .resources import AsyncBatches

        return AsyncBatches(self)

    @cached_property
    def models(self) -> resources.AsyncModels:
        from .resources import AsyncModels

        return AsyncModels(self)

    @cached_property
    def usage(self) -> resources.AsyncUsage:
        from .resources import AsyncUsage

        return AsyncUsage(self)

    @cached_property
    def limits(self) -> resources.AsyncLimits:
        from .resources import AsyncLimits

        return AsyncLimits(self)

    @cached_property
    def admin(self) -> resources.AsyncAdmin:
        from .resources import AsyncAdmin

        return AsyncAdmin(self)
