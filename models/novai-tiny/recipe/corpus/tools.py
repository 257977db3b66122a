"""Tool calling: choose the right tool and copy its arguments, answer plainly when none fits, use what a tool returned.

Besides the tools of ``tool_families`` there are thousands of invented ones, so that the schema in the prompt has to be
read. A held-out tool name is one that no training conversation ever calls.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .core import Conversation, Message, ToolSchema, Turn, as_json
from .extraction import JOKE_OPENINGS, JOKES, joke_keys, joke_subject, told
from .schemas import detailed, number
from .styles import NEUTRAL
from .tool_families import FAMILIES, Argument, Family, draw_value
from .words import COLOURS, DAYS, NOUNS, VOCABULARY, city, clause, code, first_name, invented, thing, title, word_list

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
    *((name, "integer", number) for name in ("input", "x", "value", "number", "n", "amount")),
    *((name, "string", title) for name in ("company", "project", "text", "subject", "customer")),
)
# A request in the form of a call, as programmers write it.
_WRITTEN_CALLS = (
    "What is {c}?",
    "What is the value of {c}?",
    "What does {c} return?",
    "Call {c}.",
    "Run {c}",
    "Please run {c}.",
    "Compute {c} please",
    "Evaluate {c}.",
    "Tell me the result of {c}.",
    "{c}",
    "I need {c}.",
    "Can you call {c}?",
)
_HINTS = ("Use the tool.", "Use a tool.", "Please use the tool.", "Use the function.", "Call it.")


@dataclass
class Use:
    """A tool, a request that needs it, the call, what it returns and what to say then; other calls that do as well."""

    schema: ToolSchema
    request: str
    call: dict[str, Any]
    result: dict[str, Any]
    answer: str
    others: list[dict[str, Any]] = field(default_factory=list)


def _schema(name: str, about: str, properties: dict[str, Any], required: list[str], flip: bool) -> ToolSchema:
    parameters = {"type": "object", "properties": properties, "required": required}
    tool = {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}
    # Some servers and templates sort the keys.
    return json.loads(json.dumps(tool, sort_keys=True)) if flip else tool


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
    arguments = dict(zip(names, values, strict=True))
    shown = {name: _property(rng, argument) for name, argument in zip(names, family.arguments, strict=True)}
    properties = detailed(rng, shown, arguments)
    if flip:
        properties = dict(sorted(properties.items()))
    name = rng.choice(family.names)
    result = {key: draw_value(rng, spec) for key, spec in family.result.items()}
    request = rng.choice(family.requests).format(*values)
    if rng.random() < 0.1:
        request = rng.choice(("Please ", "Hi, ", "Hello! ")) + request[:1].lower() + request[1:]
    if flip:
        arguments = dict(sorted(arguments.items()))
    answer = rng.choice(family.answers).format(*values, **result)
    schema = _schema(name, rng.choice(family.about), properties, list(properties), flip)
    return Use(schema, request, {"name": name, "arguments": arguments}, result, answer)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _spoken(name: str, value: Any) -> str:
    return f"{name} {_shown(value)}"


def invented_use(rng: Random, flip: bool) -> Use:
    """A tool that nobody has seen: its request names the arguments as its schema does."""
    verb = rng.choice(_VERBS) if rng.random() < 0.8 else invented(rng, 1, 2)
    noun = thing(rng) if rng.random() < 0.5 else rng.choice(NOUNS)
    name = rng.choice((f"{verb}_{noun}", f"{noun}_{verb}", f"{verb}{noun.capitalize()}", f"{verb}_the_{noun}"))
    chosen = rng.sample(_INVENTED_ARGUMENTS, rng.choice((1, 1, 2, 2, 3)))
    if flip:
        chosen.sort()
    arguments = {key: maker(rng) for key, _, maker in chosen}
    properties = detailed(rng, {key: {"type": kind} for key, kind, _ in chosen}, arguments)
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


def _tool_name(rng: Random) -> str:
    makers = rng.choices((thing, _any_word, invented), (2, 2, 1), k=rng.choice((1, 2, 2, 2, 3)))
    return "_".join(maker(rng) for maker in makers)


def _any_word(rng: Random) -> str:
    return rng.choice(VOCABULARY).lower()


def written_call_use(rng: Random, flip: bool) -> Use:
    """A tool of any name, called by name, with the values in brackets."""
    name = _tool_name(rng)
    chosen = rng.sample(_INVENTED_ARGUMENTS, rng.choice((0, 1, 1, 1, 2)))
    if flip:
        chosen.sort()
    arguments = {key: maker(rng) for key, _, maker in chosen}
    properties = detailed(rng, {key: {"type": kind} for key, kind, _ in chosen}, arguments)
    quote = rng.choice(("'", '"', '"', ""))
    values = [f"{quote}{value}{quote}" if isinstance(value, str) else _shown(value) for value in arguments.values()]
    if rng.random() < 0.3:
        values = [f"{key}={value}" for key, value in zip(arguments, values, strict=True)]
    request = rng.choice(_WRITTEN_CALLS).format(c=f"{name}({', '.join(values)})")
    if rng.random() < 0.4:
        request = f"{request} {rng.choice(_HINTS)}"
    outcome = number(rng)
    answer = f"The result is {outcome}."
    about = rng.choice((f"Apply a {name.replace('_', ' ')} to an input.", f"Calculate a {name.replace('_', ' ')}."))
    schema = _schema(name, about, properties, list(properties), flip)
    return Use(schema, request, {"name": name, "arguments": arguments}, {"result": outcome}, answer)


def named_use(rng: Random, flip: bool) -> Use:
    """Makes something with a name in quotes and a few words about it."""
    verb, noun = rng.choice(("create", "add", "register", "make", "open", "save", "store")), thing(rng)
    key = rng.choice((f"{noun}_name", f"{noun}_name", "name", "title", "label"))
    note = rng.choice(("description", "note", "comment", "about"))
    name, words = title(rng), rng.choice((clause, lambda rng: f"a {city(rng)} {thing(rng)}"))(rng)
    gloss = f" ({title(rng)})" if rng.random() < 0.4 else ""
    quote = rng.choice(("'", "'", '"'))
    called = rng.choice(("named", "called", "with the name"))
    article = rng.choice(("a", "the", "a new"))
    request = f"{verb.capitalize()} {article} {noun} {called} {quote}{name}{quote}{gloss}"
    arguments = {key: name}
    if rng.random() < 0.75:
        request += rng.choice((" - {w}", ": {w}", ", {w}", " with the {n} {w}")).format(w=words, n=note)
        arguments[note] = words
    if flip:
        arguments = dict(sorted(arguments.items()))
    properties = detailed(rng, {argument: {"type": "string"} for argument in arguments}, arguments)
    tool = rng.choice((f"{verb}_{noun}", f"{noun}_{verb}", f"{invented(rng)}_{noun}", _tool_name(rng)))
    status = rng.choice(("created", "saved", "ok"))
    schema = _schema(tool, f"Tool for {verb} {noun} with a name.", properties, list(properties), flip)
    return Use(schema, request, {"name": tool, "arguments": arguments}, {"status": status}, f"{name}: {status}.")


def told_use(rng: Random, flip: bool) -> Use:
    """A tool that takes what the model has to say, a joke in two parts, and nothing that was not required."""
    keys = joke_keys(rng)
    name = rng.choice(("Joke", "Joke", "joke", "tell_joke", "JokeDict", f"{thing(rng).title()}Joke", _tool_name(rng)))
    about = rng.choice(("Joke to tell user.", "Joke to tell user.", "A joke.", "Tell a joke.", "A joke in two parts."))
    glosses = ("question to set up a joke", "answer to resolve the joke")
    properties: dict[str, Any] = {key: {"type": "string"} for key in keys}
    for key, gloss in zip(keys, glosses, strict=True):
        if rng.random() < 0.7:
            properties[key] |= {"description": gloss}
        if rng.random() < 0.4:
            properties[key] |= {"title": key.title()}
    if rng.random() < 0.15:
        properties[rng.choice(("rating", "level", "topic"))] = {"type": "string", "description": "optional"}
    calls = [{"name": name, "arguments": told(keys, joke)} for joke in JOKES]
    rng.shuffle(calls)
    request = rng.choice(JOKE_OPENINGS).format(a=joke_subject(rng))
    return Use(_schema(name, about, properties, keys, flip), request, calls[0], {"status": "ok"}, "Done.", calls[1:])


def _familiar_use(rng: Random, flip: bool) -> Use:
    return family_use(rng, rng.choice(FAMILIES), flip)


_KINDS = {_familiar_use: 34, invented_use: 20, written_call_use: 34, named_use: 12, told_use: 10}


def _uses(rng: Random, flip: bool, count: int) -> list[Use]:
    """Uses of different tools, no two of one family's wording."""
    uses: list[Use] = []
    taken: set[str] = set()
    while len(uses) < count:
        use = rng.choices(list(_KINDS), list(_KINDS.values()))[0](rng, flip)
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
    uses = _uses(rng, flip, rng.choices((1, 2, 3, 4), (50, 30, 13, 7))[0])
    tools = [use.schema for use in uses]
    rng.shuffle(uses)
    messages: list[Message] = []
    if rng.random() < 0.35:
        messages.append({"role": "system", "content": rng.choice(NEUTRAL)})
    draw = rng.random()
    if draw < 0.12:
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
    if draw < 0.7:  # The call is what is asked for.
        messages = messages[:-2]
        accepts = tuple(as_json(call) for call in last.others)
        return Conversation("tool call", messages, f"tool {last.call['name']}", tools, accepts, check="call")
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
