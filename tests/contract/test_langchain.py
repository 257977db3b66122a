"""The standard suites of `langchain-tests`, with `langchain-openai` on the demo models. No test is overridden."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from tests.dev_stack import CHAT, VECTORS

# LangChain asks for usage in streams by itself only at api.openai.com.
CHAT_PARAMS: dict[str, Any] = {"model": CHAT, "stream_usage": True}
# Left alone, the demo model repeats itself in strings until its context is full.
CALM: dict[str, Any] = {"temperature": 0, "frequency_penalty": 1, "max_tokens": 400}
# Without this it sends the token ids of OpenAI's own tokenizer.
EMBEDDING_PARAMS: dict[str, Any] = {"model": VECTORS, "check_embedding_ctx_length": False}
NOWHERE = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-novai-none"}  # unit suites send nothing

# Pydantic 1 is deprecated, the SDK's parsed answers are no plain messages, connections are left open: the clients'.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module", autouse=True)
def _left_connections() -> Iterator[None]:
    """LangChain leaves the connections of its clients to the garbage collector: before other tests are blamed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class Served:
    """Parameters that lead to the running `novai dev`."""

    @pytest.fixture(autouse=True)
    def _find(self, dev: dict[str, str]) -> None:
        self.served = {"base_url": dev["NOVAI_BASE_URL"], "api_key": dev["NOVAI_API_KEY"]}


class TestChat(Served, ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return CHAT_PARAMS | CALM | self.served

    @property
    def supports_json_mode(self) -> bool:
        return True

    def test_a_full_context_is_told_apart(self, model: BaseChatModel) -> None:
        """LangChain knows it by the words of the message."""
        with pytest.raises(ContextOverflowError):
            model.invoke("word " * 20_000)

    @property
    def model_override_value(self) -> str:
        return CHAT


class TestEmbeddings(Served, EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return EMBEDDING_PARAMS | self.served


class TestChatUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return CHAT_PARAMS | NOWHERE

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        env = {"OPENAI_API_KEY": NOWHERE["api_key"], "OPENAI_API_BASE": NOWHERE["base_url"]}
        return env, {"model": CHAT}, {"openai_api_key": NOWHERE["api_key"], "openai_api_base": NOWHERE["base_url"]}


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return EMBEDDING_PARAMS | NOWHERE

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        env = {"OPENAI_API_KEY": NOWHERE["api_key"], "OPENAI_API_BASE": NOWHERE["base_url"]}
        return env, {"model": VECTORS}, {"openai_api_key": NOWHERE["api_key"], "openai_api_base": NOWHERE["base_url"]}
