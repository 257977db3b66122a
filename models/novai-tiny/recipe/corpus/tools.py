"""Tool calling: choose the right tool and copy its arguments, answer plainly when none fits, use what a tool returned.

Besides the tools of ``tool_families`` there are thousands of invented ones, so that the schema in the prompt has to be
read. A held-out tool name is one that no training conversation ever calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from .core import Conversation, Message, ToolSchema, Turn, as_json
from .styles import NEUTRAL
from .tool_families import FAMILIES, Argument, Family, draw_value
from .words import COLOURS, DAYS, NOUNS, city, code, first_name, invented, thing, word_list

_VERBS = word_list("tool_verbs")
_INVENTED_ARGUMENTS: tuple[tuple[str, str, Callable[[Random], Any]], ...] = (
    ("name", "string", first_name),
    ("id", "string", code),
    ("color", "string", lambda rng: rng.choice(COLOURS)),
    ("size", "integer", lambda rng: rng.randint(1, 200)),
    ("count", "integer", lambda rng: rng.randint(1, 50)),
    ("level", "integer", lambda rng: rng.randint(0, 10)),
    ("day", "string", lambda rng: rng.choice(DAYS)),
    ("place", "string", city),
    ("label", "string", lambda rng: invented(rng, 2, 3)),
    ("target", "string", thing),
    ("mode", "string", lambda rng: rng.choice(("fast", "slow", "safe", "auto", "quiet"))),
    ("owner", "string", first_name),
    ("speed", "integer", lambda rng: rng.randint(1, 300)),
    ("title", "string", lambda rng: f"{thing(rng)} {thing(rng)}"),
    ("key", "string", code),
    ("weight", "integer", lambda rng: rng.randint(1, 99)),
    ("enabled", "boolean", lambda rng: rng.random() < 0.5),
    ("force", "boolean", lambda rng: rng.random() < 0.5),
    ("price", "number", lambda rng: rng.randint(1, 99) + 0.5),
)


@dataclass
class Use:
    """A tool, a request that needs it, the call, what it returns and what to say then."""

    schema: ToolSchema
    request: str
    call: dict[str, Any]
    result: dict[str, Any]
    answer: str


def _schema(name: str, about: str, properties: dict[str, Any], required: list[str], flip: bool) -> ToolSchema:
    parameters = {"type": "object", "properties": properties, "required": required}
    if flip:  # Some servers and templates sort the keys.
        parameters = {"properties": properties, "required": required, "type": "object"}
        return {"function": {"description": about, "name": name, "parameters": parameters}, "type": "function"}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def _property(rng: Random, argument: Argument) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": argument.kind}
    if rng.random() < 0.5:
        shown["description"] = argument.about
    if argument.options:
        shown["enum"] = list(argument.options)
    return shown


def family_use(rng: Random, family: Family, flip: bool) -> Use:
    names = [rng.choice(argument.names) for argument in family.arguments]
    while len(set(names)) < len(names):
        names = [rng.choice(argument.names) for argument in family.arguments]
    values = [draw_value(rng, argument.value) for argument in family.arguments]
    properties = {name: _property(rng, argument) for name, argument in zip(names, family.arguments, strict=True)}
    if flip:
        properties = dict(sorted(properties.items()))
    name = rng.choice(family.names)
    result = {key: draw_value(rng, spec) for key, spec in family.result.items()}
    request = rng.choice(family.requests).format(*values)
    if rng.random() < 0.1:
        request = rng.choice(("Please ", "Hi, ", "Hello! ")) + request[:1].lower() + request[1:]
    arguments = dict(zip(names, values, strict=True))
    if flip:
        arguments = dict(sorted(arguments.items()))
    answer = rng.choice(family.answers).format(*values, **result)
    schema = _schema(name, rng.choice(family.about), properties, list(properties), flip)
    return Use(schema, request, {"name": name, "arguments": arguments}, result, answer)


def _spoken(name: str, value: Any) -> str:
    return f"{name} {str(value).lower() if isinstance(value, bool) else value}"


def invented_use(rng: Random, flip: bool) -> Use:
    """A tool that nobody has seen: its request names the arguments as its schema does."""
    verb = rng.choice(_VERBS) if rng.random() < 0.8 else invented(rng, 1, 2)
    noun = thing(rng) if rng.random() < 0.5 else rng.choice(NOUNS)
    name = rng.choice((f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", f"{verb}_the_{noun}"))
    chosen = rng.sample(_INVENTED_ARGUMENTS, rng.choice((1, 1, 2, 2, 3)))
    if flip:
        chosen.sort()
    arguments = {key: maker(rng) for key, _, maker in chosen}
    properties = {key: {"type": kind} for key, kind, _ in chosen}
    spoken = [_spoken(key, value) for key, value in arguments.items()]
    joined = rng.choice((" and ", ", ")).join(spoken)
    request = rng.choice(
        (
            "{v} the {n} with {j}.",
            "Please {v} a {n} with {j}.",
            "{v} {n}, {j}",
            "Can you {v} the {n} with {j}?",
            "I want to {v} the {n} with {j}.",
        )
    ).format(v=verb, n=noun, j=joined)
    result = rng.choice(
        (
            {"status": rng.choice(("ok", "done", "queued"))},
            {"result": thing(rng)},
            {rng.choice(("id", "ticket")): code(rng)},
        )
    )
    key, value = next(iter(result.items()))
    answer = f"Done: the {key} is {value}."
    return Use(
        _schema(name, f"{verb} a {noun}".capitalize(), properties, list(properties), flip),
        request[:1].upper() + request[1:],
        {"name": name, "arguments": arguments},
        result,
        answer,
    )


def _use(rng: Random, flip: bool) -> Use:
    return family_use(rng, rng.choice(FAMILIES), flip) if rng.random() < 0.55 else invented_use(rng, flip)


def _uses(rng: Random, flip: bool, count: int) -> list[Use]:
    """Uses of different tools, no two of one family's wording."""
    uses: list[Use] = []
    taken: set[str] = set()
    families = rng.sample(FAMILIES, len(FAMILIES))
    while len(uses) < count:
        use = family_use(rng, families.pop(), flip) if rng.random() < 0.55 else invented_use(rng, flip)
        words = set(use.schema["function"]["description"].lower().split()) - {
            "a",
            "the",
            "of",
            "in",
            "to",
            "get",
            "for",
        }
        if use.call["name"] not in taken and not words & taken:
            taken |= words | {use.call["name"]}
            uses.append(use)
    return uses


def _call(*calls: dict[str, Any]) -> Message:
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": call} for call in calls],
    }


def tool_conversation(rng: Random, turns: Callable[[Random], Turn]) -> Conversation:
    flip = rng.random() < 0.3
    uses = _uses(rng, flip, rng.choices((1, 2, 3, 4), (30, 35, 22, 13))[0])
    tools = [use.schema for use in uses]
    rng.shuffle(uses)
    messages: list[Message] = []
    if rng.random() < 0.35:
        messages.append({"role": "system", "content": rng.choice(NEUTRAL)})
    draw = rng.random()
    if draw < 0.15:
        return _no_tool(rng, messages, tools, turns)
    if rng.random() < 0.1:
        turn = turns(rng)
        messages += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer}]
    for use in uses[: rng.choice((1, 2, 2))]:
        last = use
        messages += [{"role": "user", "content": use.request}, _call(use.call)]
        messages += [
            {"role": "tool", "content": _result(rng, use.result)},
            {"role": "assistant", "content": use.answer},
        ]
    if draw < 0.65:  # The call is what is asked for.
        messages = messages[:-2]
        return Conversation("tool call", messages, f"tool {last.call['name']}", tools, check="call")
    return Conversation("tool result", messages, f"tool {last.call['name']}", tools, accepts=(last.answer,))


def _result(rng: Random, result: dict[str, Any]) -> str:
    return as_json(result, compact=rng.random() < 0.2)


def _no_tool(
    rng: Random, messages: list[Message], tools: list[ToolSchema], turns: Callable[[Random], Turn]
) -> Conversation:
    turn = turns(rng)
    messages += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.answer}]
    return Conversation("no tool fits", messages, f"no tool {turn.key}", tools, accepts=turn.accepts)


def parallel_conversation(rng: Random) -> Conversation:
    """One request, two calls of the same tool."""
    flip = rng.random() < 0.3
    family = rng.choice(
        [family for family in FAMILIES if len(family.arguments) == 1 and family.arguments[0].value == "{city}"]
    )
    use = family_use(rng, family, flip)
    key, first = next(iter(use.call["arguments"].items()))
    second = city(rng)
    request = use.request.replace(first, f"{first} and {second}")
    calls = (use.call, {"name": use.call["name"], "arguments": {key: second}})
    messages = [{"role": "user", "content": request}, _call(*calls)]
    return Conversation("tool call", messages, f"tool {use.call['name']} {second}", [use.schema], check="call")
