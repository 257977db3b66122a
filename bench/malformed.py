"""Thousands of requests with something wrong about them: no answer is a 5xx, none hangs, every error has its shape.

python -m bench.malformed [--requests 10000] [--seed 0]

A request is a valid body of some operation of the spec (its examples, and `RICH` ones), changed in one to three places:
as a value, as bytes, or in how it is sent. Prints one JSON line; each finding can be had again by its number and seed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from bench.stack import running

SPEC = Path(__file__).parents[1] / "openapi/spec.yaml"
MODELS = Path(__file__).parent / "models.malformed.yaml"
WITH_BODY = ("post", "put", "patch")
CONCURRENCY = 16
HUNG_S = 40.0
HUGE, DEEP, MANY = 70_000, 150, 3_000  # deeper ones are made of bytes
LARGEST = 20 << 20  # bytes; of what is much larger than the limit, the connection is closed
ERROR_KEYS = {"message", "type", "param", "code"}
ANTHROPIC = "/v1/messages"  # its errors have another shape
OF_VECTORS = ("/v1/embeddings", "/v1/rerank")
# The field that bounds the output, and a bound: what happens to be valid should be short.
BOUNDS = {"/v1/chat/completions": ("max_tokens", 3), "/v1/completions": ("max_tokens", 3)} | {
    "/v1/responses": ("max_output_tokens", 16),
    ANTHROPIC: ("max_tokens", 3),
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
# What the spec's examples do not show, by path.
RICH: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}], "name": "bob"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "7"}]},
                {"role": "user", "content": 'script:[{"say": "one two"}]'},
            ],
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        {
            "messages": [{"role": "user", "content": "x"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "metadata": {"k": "v"},
        },
        {
            "messages": [{"role": "user", "content": "x"}],
            **{"temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "seed": 5},
            **{"n": 2, "stop": ["a", "b"], "logit_bias": {"5": -100}, "logprobs": True, "top_logprobs": 3},
            **{"presence_penalty": 1, "frequency_penalty": -1, "user": "u", "chat_template_kwargs": {"a": 1}},
        },
    ],
    "/v1/embeddings": [{"input": ["a", "b"], "encoding_format": "base64"}, {"input": [[1, 2], [3]]}],
}


@dataclass(frozen=True)
class Models:
    """Those that are served."""

    chat: str
    vectors: str


@dataclass
class Request:
    """What is sent. Until it is encoded, `value` is changed; afterwards `body` is."""

    method: str
    path: str
    value: Any
    body: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=lambda: {b"content-type": b"application/json"})
    query: str = ""


# ---- values


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 1.5, -0.0, 1e308, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "💥", "\u202e", "../..", "%00", "null", "5"),
    *("<|im_start|>", "script:[", "x" * HUGE, [], {}, [None], [[]], {"": ""}, {"type": "text"}, {"\x00": 1}),
    *([{}] * MANY, list(range(MANY)), {str(i): i for i in range(MANY)}, nested(20), nested(DEEP)),
]


def junk(chance: random.Random) -> Any:
    return deepcopy(chance.choice(JUNK))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield value, key
        yield from places(child)


def replace(chance: random.Random, at: Any, key: Any) -> None:
    at[key] = junk(chance)


def remove(_chance: random.Random, at: Any, key: Any) -> None:
    del at[key]


def wrap(chance: random.Random, at: Any, key: Any) -> None:
    at[key] = chance.choice([lambda v: [v], lambda v: {"value": v}, lambda v: [v] * MANY, str, repr])(at[key])


def add(chance: random.Random, at: Any, key: Any) -> None:
    if isinstance(at, dict):
        at[chance.choice(["new", "Model", "\x00", "\ud800", "__proto__", "x" * 300, f"{key} "])] = junk(chance)
    else:
        at.insert(key, junk(chance))


def exchange(chance: random.Random, at: Any, key: Any) -> None:
    other = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
    at[key], at[other] = at[other], at[key]


VALUES: list[Callable[[random.Random, Any, Any], None]] = [replace, replace, replace, remove, wrap, add, exchange]


def change_value(chance: random.Random, request: Request) -> None:
    found = list(places(request.value))
    if found and chance.random() < 0.97:
        chance.choice(VALUES)(chance, *chance.choice(found))
    else:
        request.value = junk(chance)


# ---- bytes

Bytes = Callable[[random.Random, bytes], bytes]


def cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def insert(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    what = [b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b'"', b"{", b"]", b"\\", b"\\u", b"/**/", b"NaN", b"\r\n"]
    return body[:at] + chance.choice(what) + body[at:]


def flip(chance: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(min(len(body), 3)):
        changed[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(changed)


def twice(chance: random.Random, body: bytes) -> bytes:
    """A key comes a second time, with something else."""
    keys = re.findall(rb'"\w+": ', body) or [b'"model": ']
    return body.replace(b"{", b"{" + chance.choice(keys) + chance.choice([b"1", b"null", b'"x"', b"{}"]) + b", ", 1)


def large_number(chance: random.Random, body: bytes) -> bytes:
    digits = chance.choice([b"1" * 5_000, b"-1e99999", b"0.0000000001", b"1e-400", b"01", b"+1", b".5", b"0x1"])
    return re.sub(rb"\d+(\.\d+)?", digits, body, count=chance.randint(1, 3))


def otherwise(chance: random.Random, body: bytes) -> bytes:
    text = body.decode()
    return chance.choice(
        [
            *(text.encode("utf-16"), text.encode("utf-32"), b"\xef\xbb\xbf" + body, body + b" {}", body + b"\x00", b""),
            *(b"[" * 100_000, b'{"a":' * 50_000, b'{"messages":' + b"[" * 50_000, b" " * HUGE + body, body * 2),
        ]
    )


BYTES: list[Bytes] = [cut, cut, insert, insert, flip, twice, large_number, otherwise]

# ---- how it is sent

HEADERS: list[tuple[bytes, list[bytes]]] = [
    (b"content-type", [b"", b"text/plain", b"multipart/form-data", b"multipart/form-data; boundary=x", b";;;", b"*/*"]),
    (b"content-type", [b"application/json; charset=utf-16", b"application/x-www-form-urlencoded", b"a" * 4_000]),
    (b"content-encoding", [b"gzip", b"br", b"identity", b"deflate, gzip", b"\xff"]),
    (b"idempotency-key", [b"", b"k" * 256, b"k" * 5_000, b"\xff\xfe", b"a b", b"one", b"one"]),
    (b"accept", [b"", b"text/html", b"application/xml;q=0", b"\xff"]),
    (b"x-client-request-id", [b"", b"x" * 2_000, b"\xff"]),
    (b"openai-organization", [b"org", b"\xff"]),
]


def change_sending(chance: random.Random, request: Request) -> None:
    if chance.random() < 0.2:
        request.query = chance.choice(["?a=b", "?%00", "?model=x&model=y", "?" + "a" * 3_000, "?%ff=%ff"])
        return
    name, values = chance.choice(HEADERS)
    request.headers[name] = chance.choice(values)


# ---- requests


@cache
def operations() -> list[tuple[str, str, list[Any]]]:
    """(method, path, valid bodies) of every operation that changes or makes something."""
    paths = yaml.safe_load(SPEC.read_text())["paths"]
    found = [
        (method, path, [*examples(methods[method]), *RICH.get(path, ())])
        for path, methods in paths.items()
        for method in methods.keys() & set(WITH_BODY)
    ]
    bodies = {path: of_path for _, path, of_path in found}
    # What counts the tokens of a request takes that request.
    return sorted((method, path, of or bodies.get(path.rpartition("/")[0], [{}])) for method, path, of in found)


def examples(operation: dict[str, Any]) -> list[Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    single = [content["example"]] if "example" in content else []
    return single + [example["value"] for example in content.get("examples", {}).values()]


def limited(path: str, body: Any, models: Models) -> Any:
    """The body for a model that is there, and of a few tokens."""
    if not path.startswith("/v1/"):
        return body
    model = models.vectors if path in OF_VECTORS else models.chat
    return body | {"model": model} | dict([BOUNDS[path]] if path in BOUNDS else ())


def request_of(number: int, seed: int, models: Models) -> Request:
    """The same for the same number, seed and models."""
    chance = random.Random(f"{seed} {number}")
    # Half of all go to generations: they have the most to be wrong about.
    found = operations()
    generating = [operation for operation in found if operation[1].startswith("/v1/")]
    method, path, bodies = chance.choice(generating if chance.random() < 0.5 else found)
    request = Request(method.upper(), path, limited(path, deepcopy(chance.choice(bodies)), models))
    request.path = re.sub(r"\{\w+\}", lambda _: chance.choice(["x", "%00", "%ff", "..%2f", "a" * 300, "💥"]), path)
    how = chance.choices(["value", "bytes", "sending"], [6, 3, 1], k=chance.choice([1, 1, 1, 2, 3]))
    for _ in range(how.count("value")):
        change_value(chance, request)
    request.body = json.dumps(request.value).encode()[:LARGEST]
    for _ in range(how.count("bytes")):
        request.body = chance.choice(BYTES)(chance, request.body) if request.body.isascii() else request.body
    for _ in range(how.count("sending")):
        change_sending(chance, request)
    return request


# ---- answers


async def send(http: httpx.AsyncClient, request: Request) -> tuple[str, str | None]:
    """(status, what is wrong with the answer)."""
    try:
        async with asyncio.timeout(HUNG_S):
            answer = await http.request(
                request.method,
                request.path + request.query,
                content=request.body,
                headers=list(request.headers.items()),
            )
    except TimeoutError:
        return "hung", f"no answer within {HUNG_S:g} s"
    except httpx.HTTPError as error:
        return "broken", repr(error)
    return str(answer.status_code), fault(request.path, answer)


def fault(path: str, answer: httpx.Response) -> str | None:
    """What the contract does not allow about an answer."""
    if answer.status_code >= 500:
        return answer.text[:300]
    if not answer.headers.get("x-request-id", "").startswith("req_"):
        return "no x-request-id"
    if 300 <= answer.status_code < 400:
        return f"a redirect to {answer.headers['location']}"
    if answer.status_code < 400:
        events = answer.headers.get("content-type", "").startswith("text/event-stream")
        return "an error event" if events and '{"error"' in answer.text else None
    return None if is_error(path, answer) else f"not the error's shape: {answer.text[:300]}"


def is_error(path: str, answer: httpx.Response) -> bool:
    try:
        body = answer.json()
        error = body["error"]
        if not (error["message"] and isinstance(error["message"], str) and isinstance(error["type"], str)):
            return False
    except (ValueError, KeyError, TypeError):
        return False
    if path.startswith(ANTHROPIC):
        return bool(body.keys() == {"type", "error", "request_id"} and body["type"] == "error")
    return bool(body.keys() == {"error"} and error.keys() == ERROR_KEYS)


async def attack(url: str, key: str, models: Models, numbers: range, seed: int) -> tuple[Counter[str], list[Any]]:
    """Sends the requests. (how often each status came, [number, method, path, status, what is wrong])."""
    counts: Counter[str] = Counter()
    findings: list[Any] = []
    todo = iter(numbers)

    async def sender(http: httpx.AsyncClient) -> None:
        for number in todo:
            request = request_of(number, seed, models)
            status, wrong = await send(http, request)
            counts[status] += 1
            if wrong is not None:
                findings.append([number, request.method, request.path, status, wrong])

    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=None) as http:
        await asyncio.gather(*(sender(http) for _ in range(CONCURRENCY)))
    return counts, findings


def own_key(url: str, admin_key: str) -> str:
    """An admin key of a project of its own: what happens to be valid changes the limits of others."""

    def make(path: str, body: dict[str, Any]) -> Any:
        headers = {"authorization": f"Bearer {admin_key}"}
        return httpx.post(f"{url}/admin/v1{path}", json=body, headers=headers).raise_for_status().json()

    project = make("/projects", {"name": "attacked"})["id"]
    scopes = ["inference", "usage", "admin"]
    return str(make("/keys", {"project": project, "name": "attacker", "scopes": scopes})["key"])


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--requests", type=int, default=10_000)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    with running(models=MODELS) as stack:
        models = Models("novai-tiny", "all-MiniLM-L6-v2")
        url = stack.url.removesuffix("/v1")
        key = own_key(url, stack.admin_key)
        counts, findings = asyncio.run(attack(url, key, models, range(a.requests), a.seed))
    for finding in itertools.islice(findings, 50):
        print(finding)
    print(json.dumps({"bench": "malformed", "seed": a.seed, "statuses": dict(counts), "findings": len(findings)}))
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
