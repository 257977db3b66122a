"""Tools that the server runs: a real tool server, the rounds of an answer, and exactly one bill for each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai import OpenAI

from api.clients.generate_request import from_chat, server_tools
from api.generated.schemas import ChatCompletionRequest
from tests.conftest import database
from tests.contract import tenants
from tests.contract.response_events import ResponseReader
from tests.contract.tenants import CHAT, Tenant, ok, refused, until
from tests.contract.test_limits import set_limits
from tests.edge import PRICE, Edge, edge_in_thread
from tests.pictures import data_url, picture
from tests.tool_servers import Misbehaving, misbehaving_in_thread, tool_server
from tests.workers import MODEL

FILE = """
tools: [calculator, current_time]
servers:
  - {{name: odd, address: "{address}", tools: [echo, broken], limits: {{max_result_bytes: 100}}}}
  - {{name: slow, address: "{address}", tools: [hang], limits: {{timeout_s: 600}}}}
"""
NAMES = ("calculator", "current_time", "echo", "broken", "hang")
TOOLS: list[Any] = [{"type": "novai_tool", "name": name} for name in NAMES]
SERVERS: list[Any] = [
    {"type": "mcp", "server_label": "novai", "allowed_tools": ["calculator", "current_time"]},
    {"type": "mcp", "server_label": "odd", "allowed_tools": ["echo", "broken"], "require_approval": "never"},
    {"type": "mcp", "server_label": "slow", "allowed_tools": ["hang"]},
]
WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
FUNCTION: Any = {"type": "function", "function": WEATHER}


@pytest.fixture(scope="module")
def odd() -> Iterator[tuple[Misbehaving, str]]:
    with misbehaving_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def edge(
    postgres_url: str, redis_url: str, odd: tuple[Misbehaving, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """An edge of its own, with a tool server."""
    file = FILE.format(address=odd[1])
    with tool_server(tmp_path_factory.mktemp("tools"), file) as address, database(postgres_url) as url:
        options = {"tools_grpc_host": address, "tool_rounds": 4, "worker_options": {"image_tokens": 12}}
        with edge_in_thread(url, redis_url, **options) as running:
            until(lambda: set(running.state.tools.server._tools or ()) >= set(NAMES))
            yield running


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"call": {"name": name, "arguments": arguments}}


THEN = {"then": True}
SIX_TIMES_SEVEN = call("calculator", expression="6 * 7")
ANSWER = [SIX_TIMES_SEVEN, THEN, {"say": "It is "}, {"results": True}]


def script(*steps: dict[str, Any]) -> str:
    return "script:" + json.dumps(steps)


def asking(*steps: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": script(*steps)}]


def runs_of(message: Any) -> list[Any]:
    """What the server ran: name, status, output."""
    return [(run["name"], run["status"], run["output"]) for run in message.model_extra["novai_tool_calls"]]


def rows(edge: Edge, request_id: str) -> list[dict[str, Any]]:
    """Usage of a request's rounds, in order."""
    return edge.sql(
        "SELECT request_id, operation, outcome, finish_reason, status, streamed, prompt_tokens, completion_tokens, "
        "cost_nusd FROM usage WHERE request_id LIKE $1 ORDER BY started_at",
        f"{request_id}%",
    )


def check_books(edge: Edge, request_id: str, prompt_tokens: int, completion_tokens: int, rounds: int) -> None:
    """Every round has one row, their sum is what the client was told, and nothing is held any more."""
    found = rows(edge, request_id)
    assert [row["request_id"] for row in found] == [request_id, *(f"{request_id}-{n}" for n in range(2, rounds + 1))]
    assert sum(row["prompt_tokens"] for row in found) == prompt_tokens
    assert sum(row["completion_tokens"] for row in found) == completion_tokens
    for row in found:
        cost = row["prompt_tokens"] * PRICE[0] + row["completion_tokens"] * PRICE[2]
        assert row["cost_nusd"] == -(-cost // 1_000_000)
    assert nothing_held(edge, request_id)


def nothing_held(edge: Edge, request_id: str) -> bool:
    open_holds = edge.sql("SELECT 1 FROM holds WHERE request_id LIKE $1 AND state = 'open'", f"{request_id}%")
    return not open_holds and not edge.state.generation._admission.running


# ---------------------------------------------------------------- chat completions


def test_a_chat_completion(edge: Edge, client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=asking(*ANSWER), tools=TOOLS)
    [choice] = completion.choices
    assert choice.message.content == "It is 42"
    assert choice.finish_reason == "stop"
    assert choice.message.tool_calls is None
    assert runs_of(choice.message) == [("calculator", "completed", "42")]
    assert completion.usage is not None
    check_books(
        edge, completion._request_id or "", completion.usage.prompt_tokens, completion.usage.completion_tokens, rounds=2
    )
    with tenants.client(edge, edge.key) as http:
        bill = ok(http.get(f"/v1/usage/requests/{completion._request_id}-2"))
    assert bill["operation"] == "createChatCompletion"


def test_a_picture_is_seen_in_every_round(client: OpenAI) -> None:
    [said] = asking(*ANSWER)
    image = {"type": "image_url", "image_url": {"url": data_url(picture())}}
    said["content"] = [{"type": "text", "text": said["content"]}, image]
    completion = client.chat.completions.create(model=MODEL, messages=[said], tools=TOOLS)
    assert completion.choices[0].message.content == "It is 42"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 2 * 12


def test_a_streamed_chat_completion(edge: Edge, client: OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(
        model=MODEL,
        messages=asking({"say": "Let me see. "}, *ANSWER),
        tools=TOOLS,
        stream=True,
        stream_options={"include_usage": True},
    ) as answer:
        request_id = answer.headers["x-request-id"]
        chunks = list(answer.parse())
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "Let me see. It is 42"
    assert not any(delta.tool_calls for delta in deltas)
    told = [run for delta in deltas for run in (delta.model_extra or {}).get("novai_tool_calls", ())]
    begun, over = told
    assert (begun["index"], begun["name"], begun["arguments"]) == (0, "calculator", '{"expression":"6 * 7"}')
    assert over == {"index": 0, "status": "completed", "output": "42"}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    usage = chunks[-1].usage
    assert usage is not None
    check_books(edge, request_id, usage.prompt_tokens, usage.completion_tokens, rounds=2)


def test_the_sdks_own_helper_reads_the_stream(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=asking(*ANSWER), tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "It is 42"
    assert runs_of(message) == [("calculator", "completed", "42")]


def test_a_message_is_sent_back_as_it_came(client: OpenAI) -> None:
    said = asking(*ANSWER)
    message = client.chat.completions.create(model=MODEL, messages=said, tools=TOOLS).choices[0].message
    more = [*said, message.model_dump(), {"role": "user", "content": script({"say": "Indeed."})}]
    again = client.chat.completions.create(model=MODEL, messages=more, tools=TOOLS)  # type: ignore[arg-type]
    assert again.choices[0].message.content == "Indeed."
    # The result, a word, is part of the prompt.
    without = [said[0], {"role": "assistant", "content": "It is 42"}, more[2]]
    shorter = client.chat.completions.create(model=MODEL, messages=without, tools=TOOLS)  # type: ignore[arg-type]
    assert again.usage is not None and shorter.usage is not None
    assert again.usage.prompt_tokens == shorter.usage.prompt_tokens + 1


def test_several_calls_in_several_rounds(edge: Edge, client: OpenAI) -> None:
    steps = [SIX_TIMES_SEVEN, call("echo", text="a"), THEN, call("current_time"), THEN, {"say": "Done."}]
    completion = client.chat.completions.create(model=MODEL, messages=asking(*steps), tools=TOOLS)
    message = completion.choices[0].message
    assert message.content == "Done."
    assert [name for name, _, _ in runs_of(message)] == ["calculator", "echo", "current_time"]
    assert completion.usage is not None
    check_books(
        edge, completion._request_id or "", completion.usage.prompt_tokens, completion.usage.completion_tokens, rounds=3
    )


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_the_callers_own_functions_end_the_rounds(edge: Edge, client: OpenAI, stream: bool) -> None:
    """The server's tools of that round run all the same, so that the next turn has everything."""
    steps = [
        SIX_TIMES_SEVEN,
        THEN,
        call("echo", text="a"),
        call("weather", city="Oslo"),
        {"then": True},
        {"say": "Rain"},
    ]
    said = asking(*steps)
    tools = [FUNCTION, *TOOLS]
    choice: Any
    if stream:
        with client.chat.completions.stream(model=MODEL, messages=said, tools=tools) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(model=MODEL, messages=said, tools=tools).choices[0]
    assert [run[:2] for run in runs_of(choice.message)] == [("calculator", "completed"), ("echo", "completed")]
    assert choice.finish_reason == "tool_calls"
    [made] = choice.message.tool_calls
    assert made.type == "function"
    assert made.function.name == "weather"
    assert json.loads(made.function.arguments) == {"city": "Oslo"}


def test_a_failing_tool_is_told_to_the_model(client: OpenAI) -> None:
    steps = [call("broken"), call("calculator", formula="1"), call("echo", text="x" * 1000), THEN, {"say": "Sorry."}]
    message = client.chat.completions.create(model=MODEL, messages=asking(*steps), tools=TOOLS).choices[0].message
    assert message.content == "Sorry."
    broken, invalid, long = runs_of(message)
    assert broken == ("broken", "failed", "The server of this tool failed.")
    assert invalid[1] == "failed"
    assert "Invalid arguments" in invalid[2]
    assert long[1] == "completed"
    assert long[2].endswith("[cut off: 100 of 1011 bytes]")


def test_the_last_round_is_without_tools(edge: Edge, client: OpenAI) -> None:
    """A model that goes on calling is stopped: four rounds, three of them with tools."""
    steps = [SIX_TIMES_SEVEN, THEN] * 9
    completion = client.chat.completions.create(model=MODEL, messages=asking(*steps), tools=TOOLS)
    assert completion.choices[0].finish_reason == "stop"
    assert len(runs_of(completion.choices[0].message)) == 3
    assert len(rows(edge, completion._request_id or "")) == 4


def test_max_tokens_are_those_of_all_rounds(edge: Edge, client: OpenAI) -> None:
    steps = [{"say": "one two three "}, SIX_TIMES_SEVEN, THEN, {"say": "four five six seven"}]
    create = client.chat.completions.create
    completion = create(model=MODEL, messages=asking(*steps), tools=TOOLS, max_completion_tokens=6)
    assert completion.choices[0].message.content == "one two three four five "
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6
    # Used up by the first round: there is no second one.
    completion = create(model=MODEL, messages=asking(*steps), tools=TOOLS, max_completion_tokens=4)
    assert completion.choices[0].finish_reason == "length"
    assert len(rows(edge, completion._request_id or "")) == 1


def test_what_is_refused(edge: Edge, client: OpenAI, tenant: Tenant) -> None:
    body: dict[str, Any] = {"model": MODEL, "messages": asking(*ANSWER)}
    unknown = refused(tenant.http.post(CHAT, json=body | {"tools": [{"type": "novai_tool", "name": "compass"}]}), 400)
    assert unknown["code"] == "unknown_tool"
    assert unknown["param"] == "tools[0].name"
    assert "'calculator'" in unknown["message"]
    assert refused(tenant.http.post(CHAT, json=body | {"tools": TOOLS, "n": 2}), 400)["param"] == "n"
    twice = {"type": "function", "function": {"name": "echo"}}
    assert refused(tenant.http.post(CHAT, json=body | {"tools": [*TOOLS, twice]}), 400)["param"] == (
        "tools[5].function.name"
    )


@pytest.mark.parametrize(
    ("field", "value", "param", "code"),
    [
        ("server_url", "https://mcp.example.com", "tools[0].server_url", "unsupported_parameter"),
        ("connector_id", "connector_gmail", "tools[0].connector_id", "unsupported_parameter"),
        ("headers", {"x": "y"}, "tools[0].headers", "unsupported_parameter"),
        ("authorization", "t", "tools[0].authorization", "unsupported_parameter"),
        ("require_approval", "always", "tools[0].require_approval", "unsupported_value"),
        ("require_approval", {"never": {}}, "tools[0].require_approval", "unsupported_value"),
        ("server_label", "odd", "tools[0].allowed_tools[0]", "unknown_tool"),
        ("allowed_tools", ["compass"], "tools[0].allowed_tools[0]", "unknown_tool"),
        ("allowed_tools", ["echo", "echo"], "tools[0].allowed_tools[1]", "invalid_value"),
        ("allowed_tools", None, "tools[0].allowed_tools", "invalid_type"),
        ("type", "novai_tool", "tools[0].type", "unsupported_value"),
    ],
)
def test_what_responses_refuse(tenant: Tenant, field: str, value: Any, param: str, code: str) -> None:
    tool = SERVERS[0] | {field: value}
    error = refused(tenant.http.post("/v1/responses", json={"model": MODEL, "input": "x", "tools": [tool]}), 400, code)
    assert error["param"] == param


def test_a_named_tool_holds_for_the_first_round(tenant: Tenant) -> None:
    """The scripted model can be held to nothing: that it was asked to shows in the refusal, which names it."""
    choice = {"type": "function", "function": {"name": "calculator"}}
    body = {"model": MODEL, "messages": asking(*ANSWER), "tools": TOOLS, "tool_choice": choice}
    assert refused(tenant.http.post(CHAT, json=body), 400)["param"] == "tool_choice"
    choice["function"] = {"name": "compass"}
    assert "not among" in refused(tenant.http.post(CHAT, json=body), 400)["message"]


def test_tools_are_part_of_a_prompt_that_is_counted(tenant: Tenant) -> None:
    body = {"model": MODEL, "messages": asking(*ANSWER), "tools": TOOLS}
    assert ok(tenant.http.post(f"{CHAT}/input_tokens", json=body))["input_tokens"] > 0
    assert ok(tenant.http.post("/v1/tokenize", json=body))["count"] > 0
    counted = {"model": MODEL, "input": "hello you", "tools": SERVERS}
    assert ok(tenant.http.post("/v1/responses/input_tokens", json=counted))["input_tokens"] == 2
    body["tools"] = [{"type": "novai_tool", "name": "compass"}]
    assert refused(tenant.http.post(f"{CHAT}/input_tokens", json=body), 400)["code"] == "unknown_tool"


# ---------------------------------------------------------------- responses


def test_a_response(edge: Edge, client: OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=script({"say": "Hm. "}, *ANSWER), tools=SERVERS)
    made = response.output[1]
    assert [item.type for item in response.output] == ["message", "mcp_call", "message"]
    assert made.type == "mcp_call"
    assert (made.name, made.server_label, made.output, made.status) == ("calculator", "novai", "42", "completed")
    assert json.loads(made.arguments) == {"expression": "6 * 7"}
    assert made.error is None
    assert response.output_text == "Hm. It is 42"
    assert response.status == "completed"
    assert [tool.to_dict() for tool in response.tools] == SERVERS
    assert response.usage is not None
    check_books(edge, response._request_id or "", response.usage.input_tokens, response.usage.output_tokens, rounds=2)
    assert client.responses.retrieve(response.id).output == response.output


def test_a_streamed_response(edge: Edge, client: OpenAI) -> None:
    steps = [{"think": "Well. "}, SIX_TIMES_SEVEN, call("broken"), THEN, {"say": "It is "}, {"results": True}]
    with client.responses.stream(model=MODEL, input=script(*steps), tools=SERVERS) as stream:
        events = [event.type for event in stream]
        response = stream.get_final_response()
    begun = ["response.output_item.added", "response.mcp_call.in_progress"]
    begun += ["response.mcp_call_arguments.delta", "response.mcp_call_arguments.done"]
    start = events.index("response.mcp_call.in_progress") - 1
    assert events[start : start + 12] == [
        *begun, "response.mcp_call.completed", "response.output_item.done",
        *begun, "response.mcp_call.failed", "response.output_item.done",
    ]  # fmt: skip
    failed = response.output[2]
    assert failed.type == "mcp_call"
    assert (failed.status, failed.output) == ("failed", None)
    assert failed.error is not None
    assert failed.error.to_dict() == {
        "type": "mcp_tool_execution_error",
        "content": [{"type": "text", "text": "The server of this tool failed."}],
    }
    assert response.output_text == "It is 42The server of this tool failed."
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_events_keep_the_order_that_clients_check(tenant: Tenant) -> None:
    steps = [{"think": "Well. "}, {"say": "Hm. "}, SIX_TIMES_SEVEN, call("echo"), THEN, {"say": "So."}]
    body = {"model": MODEL, "input": script(*steps), "tools": SERVERS, "stream": True}
    answer = tenant.http.post("/v1/responses", json=body)
    assert answer.status_code == 200
    types = ResponseReader(answer.text).types
    assert types.count("response.mcp_call.completed") == 2


def test_a_turn_that_is_continued_has_seen_the_calls(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=script(*ANSWER), tools=SERVERS)
    more = script({"say": "Indeed."})
    by_id = client.responses.create(model=MODEL, input=more, previous_response_id=first.id)
    items: list[Any] = [{"role": "user", "content": script(*ANSWER)}, *(item.to_dict() for item in first.output)]
    by_items = client.responses.create(model=MODEL, input=[*items, {"role": "user", "content": more}])
    without = client.responses.create(model=MODEL, input=[items[0], items[-1], {"role": "user", "content": more}])
    assert by_id.usage is not None and by_items.usage is not None and without.usage is not None
    assert by_id.usage.input_tokens == by_items.usage.input_tokens == without.usage.input_tokens + 1
    assert [item.type for item in client.responses.input_items.list(by_id.id)] == ["message"]


def test_calls_beyond_max_tool_calls_are_not_made(edge: Edge, client: OpenAI) -> None:
    steps = [SIX_TIMES_SEVEN, SIX_TIMES_SEVEN, SIX_TIMES_SEVEN, THEN, {"say": "It is "}, {"results": True}]
    response = client.responses.create(model=MODEL, input=script(*steps), tools=SERVERS, max_tool_calls=2)
    statuses = [item.status for item in response.output if item.type == "mcp_call"]
    assert statuses == ["completed", "completed", "failed"]
    assert "Not called" in response.output_text


# ---------------------------------------------------------------- what ends the rounds


def last_request(edge: Edge, project: str) -> str:
    found = edge.sql("SELECT request_id FROM usage WHERE project_id = $1 ORDER BY started_at LIMIT 1", project)
    return str(found[0]["request_id"])


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """Of a whole answer, or the last event of a stream."""
    text = answer.text.rstrip().rpartition("data: ")[2]
    error: dict[str, Any] = json.loads(text)["error"]
    return error


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_that_refuses_a_later_round(edge: Edge, admin: httpx.Client, tenant: Tenant, stream: bool) -> None:
    set_limits(admin, tenant, {"name": "requests_per_day", "limit": 1, "burst": 1})
    body = {"model": MODEL, "messages": asking(*ANSWER), "tools": TOOLS, "stream": stream}
    answer = tenant.http.post(CHAT, json=body)
    assert answer.status_code == (200 if stream else 429)
    assert error_of(answer)["code"] == "rate_limit_exceeded"
    request_id = answer.headers["x-request-id"]
    [row] = rows(edge, request_id)
    assert (row["finish_reason"], row["outcome"]) == ("tool_calls", "finished")
    assert nothing_held(edge, request_id)


@pytest.mark.parametrize("stream", [False, True])
def test_credits_that_do_not_cover_a_later_round(edge: Edge, admin: httpx.Client, tenant: Tenant, stream: bool) -> None:
    said = asking(*ANSWER)
    words = len(said[0]["content"].split())
    first = words * 1000 + 4 * 4000
    credit = {"project": tenant.project, "amount_usd": (first + 1000) / 1e9, "id": f"c{stream}"}
    ok(admin.post("/admin/v1/credits", json=credit))
    body = {"model": MODEL, "messages": said, "tools": TOOLS, "stream": stream, "max_completion_tokens": 4}
    answer = tenant.http.post(CHAT, json=body)
    assert answer.status_code == (200 if stream else 429)
    assert error_of(answer)["code"] == "insufficient_quota"
    [row] = rows(edge, answer.headers["x-request-id"])
    assert row["cost_nusd"] == words * 1000 + 4000
    assert nothing_held(edge, answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "steps",
    [
        [{"say": "one "}, {"hang": True}],
        [call("hang"), THEN, {"say": "never"}],
        [SIX_TIMES_SEVEN, THEN, {"say": "two "}, {"hang": True}],
    ],
    ids=["in the first round", "while a tool runs", "in a later round"],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
def test_a_client_that_leaves(
    edge: Edge, admin: httpx.Client, odd: tuple[Misbehaving, str], steps: list[Any], path: str
) -> None:
    """The tool and the model stop, and what was used is charged."""
    service = odd[0]
    chat = path == CHAT
    body: dict[str, Any] = {"model": MODEL, "stream": True, "store": False}
    body |= {"messages": asking(*steps), "tools": TOOLS} if chat else {"input": script(*steps), "tools": SERVERS}
    rounds = 1 + steps.count(THEN) * (steps[0] is SIX_TIMES_SEVEN)
    marks = {1: '"one ', 2: '"two '} if steps[0] != call("hang") else {1: "arguments"}
    with tenants.tenant(edge, admin) as tenant:
        with tenant.http.stream("POST", path, json=body) as answer:
            request_id = answer.headers["x-request-id"]
            seen, pieces = "", answer.iter_text()  # kept, since the stream closes with it
            while marks[rounds] not in seen:
                seen += next(pieces)
            until(lambda: steps[0] != call("hang") or bool(service.hanging))
        until(lambda: nothing_held(edge, request_id) and len(rows(edge, request_id)) == rounds)
        until(lambda: not service.hanging)
        last = rows(edge, request_id)[-1]
        assert last["completion_tokens"] == 1
        assert last["outcome"] == ("finished" if steps[0] == call("hang") else "client_left")


def test_a_client_that_leaves_a_whole_answer(edge: Edge, tenant: Tenant, odd: tuple[Misbehaving, str]) -> None:
    body = {"model": MODEL, "messages": asking(call("hang"), THEN, {"say": "never"}), "tools": TOOLS}
    with pytest.raises(httpx.ReadTimeout):
        tenant.http.post(CHAT, json=body, timeout=1.0)
    until(lambda: not odd[0].hanging)
    until(lambda: len(rows(edge, last_request(edge, tenant.project))) == 1)
    assert nothing_held(edge, last_request(edge, tenant.project))


@pytest.mark.parametrize("steps", [[call("hang"), THEN], [SIX_TIMES_SEVEN, THEN, {"hang": True}]])
def test_an_answer_that_is_cut_off(edge: Edge, odd: tuple[Misbehaving, str], steps: list[Any]) -> None:
    """As when its process ends: the tool and the model stop at once, and what was used is charged."""
    app, request_id = edge.state, f"req_cut_{len(steps)}"
    body = msgspec.convert({"model": MODEL, "messages": asking(*steps), "tools": TOOLS}, ChatCompletionRequest)

    async def cut() -> None:
        principal, operation = await app.keys.authenticate(edge.key), "createChatCompletion"
        request, asked = from_chat(body), server_tools(body.tools)
        answer = await app.tools.admit(request, asked, None, principal, request_id, operation, streamed=True)
        await answer.start()
        while not (odd[0].hanging or len(answer._streams) == 2):
            await answer.next()
        async with asyncio.timeout(5):
            await answer.aclose()
            while odd[0].hanging:
                await asyncio.sleep(0.01)

    edge.run(cut())
    assert nothing_held(edge, request_id)
    assert rows(edge, request_id)[0]["outcome"] == "finished"


def test_a_worker_that_breaks_in_a_later_round(edge: Edge, client: OpenAI) -> None:
    steps = [SIX_TIMES_SEVEN, THEN, {"say": "It "}, {"fail": "as told"}]
    with pytest.raises(openai.APIError, match="as told"):
        client.chat.completions.create(model=MODEL, messages=asking(*steps), tools=TOOLS)


def test_without_a_tool_server_there_are_no_tools(postgres_url: str, redis_url: str) -> None:
    with database(postgres_url) as url, edge_in_thread(url, redis_url) as edge, tenants.client(edge, edge.key) as http:
        body = {"model": MODEL, "messages": asking(*ANSWER), "tools": TOOLS}
        assert "no tools of its own" in refused(http.post(CHAT, json=body), 400)["message"]
