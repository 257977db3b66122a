"""Images in every public form, on a real engine with a projector of random weights: what each color says is noise, but
the same noise whichever way it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from anthropic import Anthropic
from openai import OpenAI

from bench.make_gguf import Shape, byte_vocabulary, write_gguf
from bench.make_mmproj import Eye, write_mmproj
from tests.conftest import database
from tests.contract.tenants import ok, refused
from tests.edge import Edge, edge_in_thread
from tests.hosts import model_host
from tests.pictures import bomb, data_url, picture

TINY = Shape(dim=64, layers=2, heads=2, kv_heads=2, ff=128, context=2048, type="F32", scale=0.2)
EYE = Eye(embedding=TINY.dim)
SEES, BLIND = "other", "scripted"
MODELS = f"""
models:
  - name: {SEES}
    kind: chat
    backend: llamacpp
    path: tiny.gguf
    mmproj: mmproj.gguf
    options: {{slots: 4, threads: 1}}
  - {{name: {BLIND}, kind: chat, backend: scripted}}
"""
RED, BLUE = picture("red"), picture("blue")
TOKENS = 12


@pytest.fixture(scope="module")
def edge(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_gguf(folder / "tiny.gguf", TINY, byte_vocabulary())
    write_mmproj(folder / "mmproj.gguf", EYE)
    with (
        model_host(folder, MODELS) as (address, _),
        database(postgres_url) as url,
        edge_in_thread(url, redis_url, host_address=address, image_url_hosts="*") as running,
    ):
        yield running


@pytest.fixture
def client(edge: Edge) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{edge.url}/v1", api_key=edge.key, max_retries=0, timeout=20) as client:
        yield client


@pytest.fixture
def anthropic(edge: Edge) -> Iterator[Anthropic]:
    with Anthropic(base_url=edge.url, api_key=edge.key, max_retries=0, timeout=20) as client:
        yield client


# ---------------------------------------------------------------- one picture, three forms


def chat_parts(*urls: str) -> list[Any]:
    images = [{"type": "image_url", "image_url": {"url": url, "detail": "auto"}} for url in urls]
    return [{"type": "text", "text": "look: "}, *images, {"type": "text", "text": " now"}]


def response_parts(*urls: str) -> list[Any]:
    images = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in urls]
    return [{"type": "input_text", "text": "look: "}, *images, {"type": "input_text", "text": " now"}]


def message_blocks(*urls: str) -> list[Any]:
    images = [{"type": "image", "source": source_of(url)} for url in urls]
    return [{"type": "text", "text": "look: "}, *images, {"type": "text", "text": " now"}]


def source_of(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, data = url.partition(",")
    return {"type": "base64", "media_type": head.removeprefix("data:").removesuffix(";base64"), "data": data}


def told(client: OpenAI, *files: bytes) -> tuple[str, int]:
    """What the model says of pictures, and how many tokens the prompt has."""
    answer = client.chat.completions.create(
        model=SEES,
        temperature=0,
        max_tokens=TOKENS,
        messages=[{"role": "user", "content": chat_parts(*map(data_url, files))}],
    )
    assert answer.usage is not None
    return answer.choices[0].message.content or "", answer.usage.prompt_tokens


def told_streaming(client: OpenAI, *files: bytes) -> tuple[str, int]:
    stream = client.chat.completions.create(
        model=SEES, temperature=0, max_tokens=TOKENS, stream=True, stream_options={"include_usage": True},
        messages=[{"role": "user", "content": chat_parts(*map(data_url, files))}],
    )  # fmt: skip
    chunks = list(stream)
    assert chunks[-1].usage is not None
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks[-1].usage.prompt_tokens


def told_in_a_response(client: OpenAI, *files: bytes) -> tuple[str, int]:
    answer = client.responses.create(
        model=SEES, temperature=0, max_output_tokens=TOKENS, store=False,
        input=[{"role": "user", "content": response_parts(*map(data_url, files))}],
    )  # fmt: skip
    assert answer.usage is not None
    return answer.output_text, answer.usage.input_tokens


def test_chat_and_responses_say_the_same_of_the_same_picture(client: OpenAI) -> None:
    red, blue, both = told(client, RED), told(client, BLUE), told(client, RED, BLUE)
    assert red[0] != blue[0]
    assert red[1] == blue[1] == told(client)[1] + EYE.tokens == both[1] - EYE.tokens
    for ask in (told, told_streaming, told_in_a_response):
        assert (ask(client, RED), ask(client, BLUE), ask(client, RED, BLUE)) == (red, blue, both)


def test_the_format_of_the_file_does_not_matter(client: OpenAI) -> None:
    assert (
        told(client, picture("red", form="GIF"))
        == told(client, RED)
        == told(client, picture("red", form="WEBP", lossless=True))
    )


def test_messages(client: OpenAI, anthropic: Anthropic) -> None:
    """Its texts are a paragraph apart only where no image is between them, so the prompt is the same."""
    for files in ((RED,), (BLUE,), (RED, BLUE)):
        answer = anthropic.messages.create(
            model=SEES, max_tokens=TOKENS, extra_body={"temperature": 0},
            messages=[{"role": "user", "content": message_blocks(*map(data_url, files))}],
        )  # fmt: skip
        text, prompt_tokens = told(client, *files)
        assert "".join(block.text for block in answer.content if block.type == "text") == text
        usage = answer.usage
        assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == prompt_tokens


def test_images_in_results_of_tools(http: httpx.Client) -> None:
    def counted(*files: bytes) -> int:
        use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": "t", "content": message_blocks(*map(data_url, files))}
        said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [use]}]
        body = {"model": SEES, "max_tokens": 1, "messages": [*said, {"role": "user", "content": [result]}]}
        usage = ok(http.post("/v1/messages", json=body))["usage"]
        return int(usage["input_tokens"] + usage["cache_read_input_tokens"])

    assert counted(RED) == counted(BLUE) > EYE.tokens
    assert counted(RED, BLUE) == counted(RED) + EYE.tokens


def test_a_response_continues_with_the_pictures_of_earlier_ones(client: OpenAI) -> None:
    def second(file: bytes) -> tuple[str, int]:
        item: Any = {"role": "user", "content": response_parts(data_url(file))}
        first = client.responses.create(model=SEES, input=[item], max_output_tokens=4, temperature=0)
        answer = client.responses.create(
            model=SEES, input="and?", previous_response_id=first.id, max_output_tokens=TOKENS, temperature=0
        )
        assert answer.usage is not None
        return answer.output_text, answer.usage.input_tokens

    red, blue = second(RED), second(BLUE)
    assert red[0] != blue[0]
    assert red[1] > 2 * EYE.tokens


def test_counting(http: httpx.Client, client: OpenAI) -> None:
    expected = told(client, RED)[1]
    url = data_url(RED)
    chat = {"model": SEES, "messages": [{"role": "user", "content": chat_parts(url)}]}
    messages = {"model": SEES, "messages": [{"role": "user", "content": message_blocks(url)}]}
    response = {"model": SEES, "input": [{"role": "user", "content": response_parts(url)}]}
    for path, body in (
        ("/v1/chat/completions/input_tokens", chat),
        ("/v1/messages/count_tokens", messages),
        ("/v1/responses/input_tokens", response),
    ):
        assert ok(http.post(path, json=body))["input_tokens"] == expected, path
    assert refused(http.post("/v1/tokenize", json=chat), 400)["param"] == "messages[0].content[1].type"


def test_many_at_once_get_their_own(client: OpenAI) -> None:
    colors = ["red", "blue", "green", "white", "black", "yellow"]
    alone = {color: told(client, picture(color)) for color in colors}
    with ThreadPoolExecutor(6) as threads:
        asked = colors * 3
        together = list(threads.map(lambda color: told(client, picture(color)), asked))
    assert together == [alone[color] for color in asked]


def test_an_image_is_charged_by_its_tokens(http: httpx.Client, edge: Edge) -> None:
    """A large file is as many tokens as a small one: neither limits nor holds go by its bytes."""
    url = data_url(RED + bytes(1 << 20))  # decoders stop where the picture ends
    said = [{"role": "user", "content": chat_parts(url)}]
    answer = http.post("/v1/chat/completions", json={"model": SEES, "max_tokens": 4, "messages": said})
    assert ok(answer)["usage"]["prompt_tokens"] < 100
    bill = ok(http.get(f"/v1/usage/requests/{answer.headers['x-request-id']}"))
    assert bill["hold"]["amount_nusd"] < 10_000_000, "a million tokens are a thousand million"


# ---------------------------------------------------------------- what is refused, at every door

Door = Callable[[str, str], tuple[str, dict[str, Any], str]]


def chat_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "x"}, {"role": "user", "content": chat_parts(url)}],
    }
    return "/v1/chat/completions", body, "messages[1].content[1]"


def counting_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    _, body, param = chat_door(model, url)
    return "/v1/chat/completions/input_tokens", body, param


def streaming_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    path, body, param = chat_door(model, url)
    return path, body | {"stream": True}, param


def response_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    body = {"model": model, "input": [{"role": "user", "content": response_parts(url)}], "store": False}
    return "/v1/responses", body, "input[0].content[1]"


def result_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": response_parts(url)}
    return "/v1/responses", {"model": model, "input": [call, result], "store": False}, "input[1].output[1]"


def response_counting_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    _, body, param = response_door(model, url)
    del body["store"]
    return "/v1/responses/input_tokens", body, param


def message_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": message_blocks(url)}]}
    return "/v1/messages", body, "messages[0].content[1]"


def message_counting_door(model: str, url: str) -> tuple[str, dict[str, Any], str]:
    _, body, param = message_door(model, url)
    return "/v1/messages/count_tokens", body, param


DOORS = [chat_door, counting_door, streaming_door, response_door, response_counting_door, result_door, message_door,
         message_counting_door]  # fmt: skip
BROKEN = [
    ("https://127.0.0.1/x.png", "invalid_image_url"),
    ("https://localhost/x.png", "invalid_image_url"),
    ("http://169.254.169.254/latest/meta-data/", "invalid_image_url"),
    ("file:///etc/passwd", "invalid_image_url"),
    ("data:image/png;base64,***", "invalid_image_url"),
    (data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "invalid_image"),
    (data_url(bomb(8_000)), "invalid_image"),
    (data_url(picture()[:60]), "invalid_image"),
    (data_url(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1" + b"<script>" * 9), "invalid_image"),
]


def fault(answer: httpx.Response) -> tuple[str | None, str | None]:
    """Param and code of a 400 in either form of errors."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    if "details" in error:
        return error["details"]["param"], error["details"]["error_code"]
    return error["param"], error["code"]


@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_what_is_no_picture_and_names_the_part(http: httpx.Client, door: Door) -> None:
    for url, code in BROKEN:
        path, body, param = door(SEES, url)
        assert fault(http.post(path, json=body)) == (param, code), url[:80]


@pytest.mark.parametrize("door", DOORS)
def test_a_model_without_eyes_names_the_part(http: httpx.Client, door: Door) -> None:
    path, body, param = door(BLIND, data_url(RED))
    assert fault(http.post(path, json=body)) == (f"{param}.type", "unsupported_value")


def test_too_many_images(http: httpx.Client) -> None:
    body = {"model": SEES, "messages": [{"role": "user", "content": chat_parts(*[data_url(RED)] * 17)}]}
    assert fault(http.post("/v1/chat/completions", json=body)) == ("messages[0].content[17]", "invalid_image")


def test_fields_of_images_that_cannot_be_had(http: httpx.Client) -> None:
    def part(**fields: Any) -> dict[str, Any]:
        return {"model": SEES, "input": [{"role": "user", "content": [{"type": "input_image", **fields}]}]}

    at = "input[0].content[0].image_url"
    assert fault(http.post("/v1/responses", json=part(file_id="file-1"))) == (at, "unsupported_value")
    assert fault(http.post("/v1/responses", json=part())) == (at, "missing_required_parameter")
    image = {"type": "image", "source": {"type": "file", "file_id": "f"}}
    body = {"model": SEES, "max_tokens": 9, "messages": [{"role": "user", "content": [image]}]}
    assert fault(http.post("/v1/messages", json=body))[0] == "messages[0].content[0].source.type"


def test_refusals_give_back_what_was_taken(http: httpx.Client, edge: Edge) -> None:
    path, body, _ = chat_door(SEES, "https://localhost/")
    for _ in range(5):
        assert http.post(path, json=body).status_code == 400
    assert edge.state.generation._admission.running == 0


def test_models_say_what_they_read(client: OpenAI) -> None:
    found = {model.id: model.model_dump()["input_modalities"] for model in client.models.list()}
    assert found == {SEES: ["text", "image"], BLIND: ["text"]}


@pytest.mark.parametrize("model", [SEES, BLIND])
def test_a_long_input_is_called_input(http: httpx.Client, model: str) -> None:
    error = refused(http.post("/v1/responses", json={"model": model, "input": "a b " * 150_000}), 400)
    assert (error["param"], error["code"]) == ("input", "context_length_exceeded")
