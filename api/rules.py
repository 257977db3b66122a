"""The cross-field rules of the contract that JSON Schema cannot say. Every refusal says what to do instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from api.errors import InvalidRequestError
from api.generated import schemas as s
from api.services.limits import fault
from api.storage.limits import Rule

MOST_CUSTOM_ID = 512
DEFAULT_ENDPOINT = "/v1/chat/completions"  # of batches that are given as inputs
MOST_CHOICES = 64  # of all prompts of one completion


def absent(value: object) -> bool:
    """Null and absent are the same."""
    return value is None or value is UNSET


def invalid(message: str, param: str, code: str = "invalid_value") -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code=code)


def unsupported(message: str, param: str) -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code="unsupported_parameter")


def check_chat(body: s.ChatCompletionRequest) -> None:
    """Raises InvalidRequestError for a body that fits the schema and still makes no sense."""
    check_stream_options(body)
    if body.top_logprobs and not body.logprobs:
        raise invalid("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
    check_output_form(body)
    check_logit_bias(body.logit_bias)
    check_metadata(body.metadata)
    check_tools(body)
    for index, message in enumerate(body.messages):
        check_message(message, f"messages[{index}]")


def check_stream_options(body: s.ChatCompletionRequest | s.CompletionRequest | s.ResponseRequest) -> None:
    if not absent(body.stream_options) and not body.stream:
        raise invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options")
    if isinstance(body.stream_options, s.StreamOptions) and body.stream_options.continuous_usage_stats:
        raise unsupported(
            "'continuous_usage_stats' is not supported. Use 'include_usage'.", "stream_options.continuous_usage_stats"
        )


def check_message(message: s.ChatMessage, at: str) -> None:
    if not isinstance(message, s.AssistantMessage) or not absent(message.content):
        return
    if not (message.refusal or message.tool_calls or message.novai_tool_calls):
        raise invalid(
            f"Invalid value for '{at}.content': an assistant message needs content, a refusal or tool_calls.",
            f"{at}.content",
        )


def check_output_form(body: s.ChatCompletionRequest) -> None:
    """Whether what the answer must be is said once, and can end where it has to."""
    form = body.structured_outputs
    constrained = not (absent(body.response_format) or isinstance(body.response_format, s.ResponseFormatText))
    if isinstance(form, s.StructuredOutputs):
        if sum(not absent(getattr(form, name)) for name in form.__struct_fields__) != 1:
            raise invalid(
                "'structured_outputs' takes exactly one of 'json', 'regex', 'choice' and 'grammar'.",
                "structured_outputs",
            )
        if constrained:
            raise invalid(
                "'structured_outputs' cannot be combined with this 'response_format'. Send one of them.",
                "structured_outputs",
            )
        constrained = True
    if constrained and body.ignore_eos:
        raise invalid("An answer ends where its form does. Leave 'ignore_eos' out.", "ignore_eos")


def check_tools(body: s.ChatCompletionRequest) -> None:
    tools = body.tools or []
    named = [(tool, "") if isinstance(tool, s.ServerTool) else (tool.function, ".function") for tool in tools]
    names = distinct((tool.name, f"tools[{index}]{at}.name") for index, (tool, at) in enumerate(named))
    if (body.n or 1) > 1 and any(isinstance(tool, s.ServerTool) for tool in tools):
        raise invalid("Only one answer at a time can use the server's tools. Leave 'n' out.", "n")
    choice = body.tool_choice
    if absent(choice) or choice == "none":
        return
    if not tools:
        raise invalid("'tool_choice' is only allowed when 'tools' are given.", "tool_choice")
    if isinstance(choice, s.NamedToolChoice):
        check_chosen(choice.function.name, names, "tool_choice.function.name")
    if isinstance(choice, s.AllowedToolsChoice):
        for index, allowed in enumerate(choice.allowed_tools.tools):
            check_chosen(allowed.function.name, names, f"tool_choice.allowed_tools.tools[{index}].function.name")


def distinct(named: Iterable[tuple[str, str]]) -> set[str]:
    """The names of tools, given with the parameters that say them. There may be thousands, of servers with many."""
    names: set[str] = set()
    for name, param in named:
        if name in names:
            raise invalid(f"The tool '{name}' is given twice. Tool names must differ.", param)
        names.add(name)
    return names


def check_chosen(name: str, names: set[str], param: str) -> None:
    if name not in names:
        raise invalid(f"The tool '{name}' of 'tool_choice' is not among 'tools'.", param)


def check_message_request(body: s.MessageRequest | s.MessageCountRequest) -> None:
    """Raises InvalidRequestError for a body that fits the schema and still makes no sense."""
    check_message_tools(body)
    for number, message in enumerate(body.messages):
        if isinstance(message, s.MessageUser) and isinstance(message.content, list):
            check_message_blocks(message.content, f"messages[{number}].content")


def check_message_blocks(blocks: Sequence[s.MessageUserBlock | s.MessageToolResultContent], at: str) -> None:
    for number, block in enumerate(blocks):
        if isinstance(block, s.MessageDocumentBlock):
            raise invalid(
                "Documents are not read here. Send their text, or their pages as images.",
                f"{at}[{number}].type",
                "unsupported_value",
            )
        if isinstance(block, s.MessageToolResultBlock) and isinstance(block.content, list):
            check_message_blocks(block.content, f"{at}[{number}].content")


def check_message_tools(body: s.MessageRequest | s.MessageCountRequest) -> None:
    names = distinct(message_tools(body.tools or []))
    choice = body.tool_choice
    if isinstance(choice, s.MessageToolChoiceAny | s.MessageToolChoiceTool) and not names:
        raise invalid("'tool_choice' asks for a tool, and there are no 'tools'.", "tool_choice")
    if isinstance(choice, s.MessageToolChoiceTool):
        check_chosen(choice.name, names, "tool_choice.name")


def message_tools(tools: Sequence[s.MessageTool]) -> Iterator[tuple[str, str]]:
    for number, tool in enumerate(tools):
        at = f"tools[{number}]"
        if not absent(tool.type) and tool.type != "custom":
            raise invalid(
                f"The tool '{tool.name}' is one that Anthropic runs, and this server does not. Leave it out, or offer "
                "it with an input_schema and run it yourself.",
                f"{at}.type",
                "unsupported_value",
            )
        if absent(tool.input_schema):
            raise invalid(
                f"Missing required parameter: '{at}.input_schema'.", f"{at}.input_schema", "missing_required_parameter"
            )
        yield tool.name, f"{at}.name"


def check_tokenize(body: s.TokenizeRequest) -> None:
    """Raises InvalidRequestError."""
    if absent(body.prompt) == absent(body.messages):
        raise invalid("Send either 'prompt' or 'messages'.", "prompt")
    for index, message in enumerate(body.messages if isinstance(body.messages, list) else []):
        check_message(message, f"messages[{index}]")
        check_without_images(message, f"messages[{index}].content")


def check_without_images(message: s.ChatMessage, at: str) -> None:
    for index, part in enumerate(message.content if isinstance(message.content, list) else []):
        if isinstance(part, s.ImagePart):
            raise invalid(
                "Images have no token ids. Count them with /v1/chat/completions/input_tokens.",
                f"{at}[{index}].type",
                "unsupported_value",
            )


def check_response(body: s.ResponseRequest) -> None:
    """Raises InvalidRequestError for a body that fits the schema and asks for what makes no sense, or is not there."""
    check_stream_options(body)
    if body.background is True:
        raise unsupported("Responses do not run in the background here. Leave 'background' out.", "background")
    check_metadata(body.metadata)
    check_prompt(body)


def check_prompt(body: s.ResponsePrompt) -> None:
    """Raises InvalidRequestError, like `check_response`."""
    if not absent(body.conversation):
        raise unsupported("There are no stored conversations here. Use 'previous_response_id'.", "conversation")
    if not absent(body.prompt):
        raise unsupported("There are no stored prompts here. Use 'instructions' and 'input'.", "prompt")
    if not absent(body.truncation) and body.truncation != "disabled":
        raise invalid(
            "Unsupported value for 'truncation': an input is never cut here. Use 'disabled', and send less.",
            "truncation",
            "unsupported_value",
        )
    check_response_tools(body)
    if not isinstance(body.input, str):
        check_items(body.input)


def check_items(items: list[s.ResponseInputItem]) -> None:
    references: set[str] = set()
    for index, item in enumerate(items):
        at = f"input[{index}]"
        if isinstance(item, s.ResponseItemReference):
            if item.id in references:
                raise invalid(f"The item '{item.id}' is referred to twice. Refer to it once.", f"{at}.id")
            references.add(item.id)
        elif isinstance(item, s.ResponseInputMessage):
            check_parts(item.content, f"{at}.content")
        elif isinstance(item, s.ResponseFunctionCallOutput | s.ResponseCustomToolCallOutput):
            check_parts(item.output, f"{at}.output")


def check_parts(content: s.ResponseContent, at: str) -> None:
    for index, part in enumerate(() if isinstance(content, str) else content):
        if isinstance(part, s.ResponseInputFile):
            raise invalid(
                "Files are not read here. Send their text, or their pages as images.",
                f"{at}[{index}].type",
                "unsupported_value",
            )
        if isinstance(part, s.ResponseInputImage) and not isinstance(part.image_url, str):
            raise invalid(
                "An image is given by its 'image_url': a data: URL, or one of https.",
                f"{at}[{index}].image_url",
                "missing_required_parameter" if absent(part.file_id) else "unsupported_value",
            )


def check_response_tools(body: s.ResponsePrompt) -> None:
    names = distinct(response_tools(body.tools or []))
    choice = body.tool_choice
    if isinstance(choice, s.ResponseNamedTool):
        check_chosen(choice.name, names, "tool_choice.name")
    elif isinstance(choice, s.ResponseAllowedTools):
        for index, tool in enumerate(choice.tools):
            check_chosen(tool.name, names, f"tool_choice.tools[{index}].name")
    elif choice == "required" and not names:
        raise invalid("'tool_choice' is 'required', but there are no 'tools'. Give some.", "tool_choice")


def response_tools(tools: Sequence[s.ResponseTool]) -> Iterator[tuple[str, str]]:
    for index, tool in enumerate(tools):
        at = f"tools[{index}]"
        if isinstance(tool, s.ResponseFunctionTool):
            yield tool.name, f"{at}.name"
        else:
            check_server_tools(tool, at)
            for number, name in enumerate(tool.allowed_tools):
                yield name, f"{at}.allowed_tools[{number}]"


def check_server_tools(tool: s.ResponseServerTools, at: str) -> None:
    for name in ("server_url", "connector_id", "authorization", "headers"):
        if not absent(getattr(tool, name)):
            raise unsupported(
                f"'{name}' is not supported: this server asks no servers that a request names. Its operator registers "
                "them; name one by its 'server_label'.",
                f"{at}.{name}",
            )
    if not absent(tool.require_approval) and tool.require_approval != "never":
        raise invalid(
            "Tools of this server run at once. Use 'never', or offer functions and run them yourself.",
            f"{at}.require_approval",
            "unsupported_value",
        )


def check_logit_bias(bias: dict[str, float] | UnsetType | None) -> None:
    for token in bias or {}:
        if not (token.isascii() and token.isdigit() and len(token) < 10):
            raise invalid(
                f"Invalid key in 'logit_bias': {token[:40]!r}. Keys are token ids of the model's vocabulary.",
                "logit_bias",
            )


def check_metadata(metadata: dict[str, str] | UnsetType | None) -> None:
    for key in metadata or {}:
        if len(key) > 64:
            raise invalid("Invalid key in 'metadata': keys have at most 64 characters.", "metadata")


def check_completion(body: s.CompletionRequest) -> list[str] | list[list[int]]:
    """The prompts as one list: texts, or lists of token ids. Raises InvalidRequestError."""
    check_stream_options(body)
    check_logit_bias(body.logit_bias)
    n = body.n or 1
    if body.suffix:
        raise unsupported("Unsupported parameter: 'suffix'. Text cannot be inserted before a suffix.", "suffix")
    if not absent(body.best_of) and body.best_of != n:
        raise unsupported(
            f"Unsupported parameter: 'best_of' other than 'n' ({n}). Choices are not ranked: ask for 'n' and choose.",
            "best_of",
        )
    if body.echo and not absent(body.logprobs):
        raise unsupported(
            "Unsupported parameter: 'logprobs' together with 'echo'. Log probabilities of a prompt are not computed: "
            "leave out one of the two.",
            "logprobs",
        )
    prompts = one_kind("" if body.prompt is None else body.prompt, "prompt")
    if len(prompts) * n > MOST_CHOICES:
        raise invalid(
            f"Invalid 'prompt': {len(prompts)} prompts with n = {n} are {len(prompts) * n} choices. One request has at "
            f"most {MOST_CHOICES}: send several.",
            "prompt",
        )
    return prompts


def check_embedding(body: s.EmbeddingRequest) -> list[str] | list[list[int]]:
    """The inputs as one list: texts, or lists of token ids. Raises InvalidRequestError."""
    return one_kind(body.input, "input")


def one_kind(given: str | list[str | int | list[int]], param: str) -> list[str] | list[list[int]]:
    """A text, texts, token ids, or lists of them, as a list of items."""
    if isinstance(given, str):
        return [given]
    if all(isinstance(item, str) for item in given):
        return given  # type: ignore[return-value]
    if all(isinstance(item, int) for item in given):
        return [given]  # type: ignore[return-value]
    if all(isinstance(item, list) for item in given):
        return given  # type: ignore[return-value]
    raise invalid(
        f"Invalid '{param}': all items must be of one kind. Send texts, or token ids, or lists of token ids.", param
    )


def check_limit_section(scope: str, model: str | None, *, of_key: bool) -> None:
    """Raises InvalidRequestError for a section that no document has."""
    if of_key and scope != "key":
        raise invalid("A key has limits of the scope 'key' only. Name the project instead of the key.", "scope")
    if (scope == "model") != (model is not None):
        raise invalid("'model' belongs to the scope 'model', and is needed there; `*` is every model.", "model")


def check_limit_rules(given: list[s.AdminLimitRule]) -> None:
    """Raises InvalidRequestError."""
    for index, rule in enumerate(given):
        if rule.name in {other.name for other in given[:index]}:
            raise invalid(f"The limit '{rule.name}' is given twice.", f"limits[{index}].name")
        burst = rule.burst if isinstance(rule.burst, int) else None
        if why := fault(rule.name, Rule(rule.limit, burst)):
            raise invalid(f"Invalid 'limits[{index}].burst': {why}.", f"limits[{index}].burst")


def check_batch(body: s.BatchRequest) -> tuple[str, str | list[dict[str, Any]]]:
    """The endpoint, and the id of a file or the inputs. Raises InvalidRequestError."""
    check_metadata(body.metadata)
    if absent(body.inputs) == absent(body.input_file_id):
        raise invalid("Send either 'input_file_id' or 'inputs'.", "input_file_id")
    if isinstance(body.inputs, list):
        for index, item in enumerate(body.inputs):
            check_input(item, f"inputs[{index}]")
        return body.endpoint or DEFAULT_ENDPOINT, body.inputs
    if not body.endpoint:
        raise invalid("Missing required parameter: 'endpoint'.", "endpoint", "missing_required_parameter")
    assert isinstance(body.input_file_id, str)
    return body.endpoint, body.input_file_id


def check_input(item: dict[str, Any], at: str) -> None:
    """A line without a file, as far as a body and a line can be told apart."""
    custom_id = item.get("custom_id", "a name")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MOST_CUSTOM_ID:
        raise invalid(f"A 'custom_id' is a text of 1 to {MOST_CUSTOM_ID} characters.", f"{at}.custom_id")
    if "body" not in item:
        return
    if not isinstance(item["body"], dict):
        raise invalid("The 'body' of an input is an object: what the endpoint takes.", f"{at}.body", "invalid_type")
    if unknown := item.keys() - {"custom_id", "method", "url", "body"}:
        raise invalid(
            f"An input with a 'body' takes no '{min(unknown)}'. Put it into the body.", f"{at}.{min(unknown)}"
        )
