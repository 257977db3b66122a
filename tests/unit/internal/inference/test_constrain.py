"""Whatever tokens are chosen under the masks, the output is what the constraint asked for."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import psutil
import pytest
from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError, UnsupportedError
from internal.inference import constrain
from internal.inference.constrain import MAX_GRAMMARS, Grammar, Vocabulary
from internal.inference.schema_limits import (
    MAX_DEPTH,
    MAX_EXACT,
    MAX_OPTIONAL_PROPERTIES,
    MAX_PASSES,
    MAX_REPETITION,
    SchemaError,
    check_pattern,
    checked_schema,
)

BYTES = [bytes([byte]) for byte in range(256)]
WORDS = [
    b'{"',
    b'":',
    b'":"',
    b'",',
    b'"}',
    b"}}",
    b"]",
    b"[[",
    b"true",
    b"null",
    b"name",
    b"12",
    b", ",
    b" the",
    "ü".encode(),
    b'{"a":1',
]
EOS, IM_END, IM_START = range(256 + len(WORDS), 259 + len(WORDS))
TOKENS = [*BYTES, *WORDS, b"<eos>", b"<|im_end|>", b"<|im_start|>"]
VOCABULARY = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS, IM_END])
CLOSING = {IM_END, EOS, *b'"}],.0123456789Z:-@nulya\xc3\xbc'}


def allowed(matcher: constrain.Matcher, vocabulary: Vocabulary = VOCABULARY) -> list[int]:
    matcher.look()
    return [int(t) for t in np.flatnonzero(np.unpackbits(matcher.mask, bitorder="little")[: vocabulary.size])]


def walk(grammar: Grammar, seed: int, free_steps: int = 60) -> bytes:
    """Output of a model that knows nothing: any allowed token, and after a while those that lead to an end."""
    choose = random.Random(seed)
    matcher, written = grammar.matcher(), b""
    for step in range(3000):
        tokens = allowed(matcher)
        assert tokens, f"nothing can follow {written!r}"
        assert matcher.may_end == bool({EOS, IM_END} & set(tokens))
        ends = {EOS, IM_END} & set(tokens) if step > free_steps else set()
        closing = sorted(ends or (CLOSING & set(tokens) if step > free_steps else set()))
        token = choose.choice(closing or tokens)
        matcher.accept(token)
        if token in (EOS, IM_END):
            assert matcher.ended
            return written
        assert token != IM_START
        written += TOKENS[token]
    raise AssertionError(f"no end: {written!r}")


def schema_constraint(schema: object) -> pb.Constraint:
    return pb.Constraint(json_schema=json.dumps(schema))


def strict(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


TEXT, INT, NUM, BOOL = ({"type": name} for name in ("string", "integer", "number", "boolean"))
SCHEMAS: list[dict[str, Any]] = [
    {},
    TEXT,
    INT,
    NUM,
    BOOL,
    {"type": "null"},
    {"type": "object"},
    {"type": "array"},
    {"type": ["string", "null"]},
    {"type": ["integer", "string", "boolean"]},
    {"const": 1},
    {"const": 'a\n"ü'},
    {"const": {"a": [1, None]}},
    {"enum": ["red", "green"]},
    {"enum": [1, "1", None, True, 2.5]},
    {"type": "string", "enum": ["x", "xy", "xyz"]},
    # text
    {"type": "string", "minLength": 3},
    {"type": "string", "maxLength": 4},
    {"type": "string", "minLength": 2, "maxLength": 2},
    {"type": "string", "pattern": "^[a-z]{2,5}$"},
    {"type": "string", "pattern": "[0-9]"},
    {"type": "string", "pattern": "^(ab|cd)+$"},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "time"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "ipv4"},
    {"type": "string", "format": "ipv6"},
    # numbers
    {"type": "integer", "minimum": 3},
    {"type": "integer", "maximum": -3},
    {"type": "integer", "minimum": -20, "maximum": 117},
    {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 5},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "integer", "multipleOf": 7},
    {"type": "number", "exclusiveMinimum": 0.5, "maximum": 2.25},
    # lists
    {"type": "array", "items": INT},
    {"type": "array", "items": TEXT, "minItems": 2},
    {"type": "array", "items": BOOL, "maxItems": 3},
    {"type": "array", "prefixItems": [INT, TEXT], "items": False},
    {"type": "array", "items": {"type": "array", "items": INT}},
    {"type": "array", "prefixItems": [INT], "items": TEXT, "minItems": 2, "maxItems": 4},
    {"type": "array", "maxItems": 0},
    # objects
    strict(),
    strict(a=INT),
    strict(a=TEXT, b=NUM, c=BOOL),
    strict(a=strict(b=strict(c=INT))),
    strict(items={"type": "array", "items": strict(n=TEXT)}),
    {"type": "object", "properties": {"a": INT, "b": TEXT}},
    {"type": "object", "properties": {"a": INT}, "required": ["a"]},
    {"type": "object", "properties": {"a": INT, "b": INT, "c": INT}, "required": ["b"], "additionalProperties": False},
    {"type": "object", "additionalProperties": INT},
    {"type": "object", "patternProperties": {"^x": INT}, "additionalProperties": False},
    {"type": "object", "properties": {"a": INT}, "additionalProperties": TEXT, "required": ["a"]},
    {"type": "object", "minProperties": 1, "additionalProperties": INT},
    {"properties": {"a": INT}, "required": ["a"], "type": ["object", "null"]},
    strict(**{'ü "x"': INT}),
    # unions and references
    {"anyOf": [INT, TEXT]},
    {"anyOf": [strict(a=INT), strict(b=TEXT)]},
    {"anyOf": [{"type": "null"}, strict(a=INT)]},
    {"oneOf": [strict(k={"const": "a"}, v=INT), strict(k={"const": "b"}, v=TEXT)]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": INT}, "required": ["a"]},
            {"properties": {"b": TEXT}, "required": ["b"]},
        ]
    },
    {"allOf": [{"type": "integer", "minimum": 2}, {"maximum": 9}]},
    {"$defs": {"p": strict(x=INT, y=INT)}, **strict(a={"$ref": "#/$defs/p"}, b={"$ref": "#/$defs/p"})},
    {"$defs": {"n": strict(v=INT, next={"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]})}, "$ref": "#/$defs/n"},
    {"definitions": {"t": {"type": "array", "items": {"$ref": "#/definitions/t"}}}, "$ref": "#/definitions/t"},
    strict(tree={"type": "array", "items": {"$ref": "#"}}),
    # annotations
    {"title": "T", "description": "d", "default": 1, "examples": [1], "type": "integer"},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "boolean"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
def test_random_output_validates(schema: dict[str, Any]) -> None:
    grammar = constrain.compile(schema_constraint(schema), VOCABULARY)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for seed in range(4):
        written = walk(grammar, seed)
        validator.validate(json.loads(written))
        outside_strings = re.sub(r'"(\\.|[^"\\])*"', '""', written.decode())
        assert not re.search(r"(?<![,:])\s|\s$", outside_strings), "blanks that are not one behind a separator"


def test_there_are_sixty_schemas() -> None:
    assert len(SCHEMAS) >= 60


def test_any_json_object() -> None:
    grammar = constrain.compile(pb.Constraint(json_object=True), VOCABULARY)
    for seed in range(10):
        assert isinstance(json.loads(walk(grammar, seed)), dict)


@pytest.mark.parametrize("regex", ["[a-f]{3}", "(yes|no)", r"\d+\.\d\d", "a?", "x{0,1000}y", "[^ ]+ü"])
def test_regular_expressions(regex: str) -> None:
    grammar = constrain.compile(pb.Constraint(regex=regex), VOCABULARY)
    for seed in range(5):
        assert re.fullmatch(regex, walk(grammar, seed, free_steps=20).decode())


def test_grammars() -> None:
    lark = 'start: item ("," item)*\nitem: NAME "=" NUMBER\nNAME: /[a-z]+/\nNUMBER: /[0-9]+/'
    grammar = constrain.compile(pb.Constraint(lark=lark), VOCABULARY)
    matcher = grammar.matcher()
    for byte in b"a=1,bc=20":
        matcher.accept(byte)
    assert matcher.may_end
    assert not matcher.ended
    with pytest.raises(InvalidRequestError, match="constraint"):
        matcher.accept(ord("="))


def test_the_constraint_binds_after_reasoning_that_the_prompt_opened() -> None:
    for vocabulary in (VOCABULARY, Vocabulary([*TOKENS, b"</think>"], {EOS, IM_END, IM_START, len(TOKENS)}, [EOS])):
        grammar = constrain.compile(schema_constraint(strict(a=INT)), vocabulary, reasoning_open=True)
        matcher = grammar.matcher()
        for byte in b"hm {":
            matcher.accept(byte)
        assert not matcher.may_end
        close = [vocabulary.special["</think>"]] if "</think>" in vocabulary.special else list(b"</think>")
        for token in [*close, *b'\n\n{"a":1}']:
            matcher.accept(token)
        assert matcher.may_end
        assert set(allowed(matcher, vocabulary)) <= {EOS, IM_END}


def test_ambiguous_grammars_end_in_an_error_not_in_endless_steps() -> None:
    matcher = constrain.compile(pb.Constraint(lark='start: start start | "a" | "b"'), VOCABULARY).matcher()
    with pytest.raises(InvalidRequestError, match="use a simpler one"):
        for _ in range(500):
            allowed(matcher)
            matcher.accept(ord("a"))


def nested(levels: int) -> dict[str, Any]:
    return strict(a=nested(levels - 1)) if levels else INT


# What is refused, and a word of why.
REFUSED: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "not valid JSON"),
    "too deep to parse": ("[" * 50_000, "not valid JSON"),
    "a list": ("[]", "must be an object"),
    "a boolean": ("true", "must be an object"),
    "too large": (json.dumps({"description": "x" * 70_000}), "64 KiB"),
    "too deep": (json.dumps(nested(MAX_DEPTH)), "16 levels"),
    "too many properties": (
        json.dumps(
            {"anyOf": [{"properties": {f"{i}": {} for i in range(400)}} for _ in range(13)]}, separators=(",", ":")
        ),
        "5000 properties",
    ),
    "too many optional": (json.dumps({"properties": {f"p{i}": {} for i in range(501)}}), "not required"),
    "too many values": (json.dumps({"enum": list(range(1001))}), "1000 enum values"),
    "too many items": (json.dumps({"type": "array", "minItems": 1001}), "minItems"),
    "too long a text": (json.dumps({"type": "string", "maxLength": 1_000_000}), "maxLength"),
    "too much repetition": (json.dumps({"type": "string", "pattern": "^((a{100}){100}){100}$"}), "repeats"),
    "too much repetition together": (
        json.dumps(strict(**{f"p{i}": {"type": "string", "pattern": "^a{900}$"} for i in range(60)})),
        "parts",
    ),
    "an open repetition": (json.dumps({"type": "string", "pattern": "^a{2000,}$"}), "repeats"),
    "multiplied unions": (
        json.dumps({"allOf": [{"anyOf": [{"const": j} for j in range(10)]} for _ in range(6)]}),
        "parts",
    ),
    "multiplied choices": (
        json.dumps({"allOf": [{"oneOf": [{"const": j} for j in range(10)]} for _ in range(6)]}),
        "parts",
    ),
    "an id too long for a float": (
        json.dumps({"enum": [0, 1234567890123456789]}),
        "1234567890123456789 has too many digits",
    ),
    "one within a value": (json.dumps({"const": {"ids": [-(1 << 53) - 1]}}), "-9007199254740993 has too many digits"),
    "too many states": (json.dumps({"type": "integer", "multipleOf": 99_991}), "multipleOf"),
    "too many states behind the point": (json.dumps({"type": "number", "multipleOf": 0.99991}), "multipleOf"),
    "too many states together": (
        json.dumps(strict(**{f"p{i}": {"type": "integer", "multipleOf": 900 + i} for i in range(90)})),
        "parts",
    ),
    "too many patterns": (
        json.dumps({"patternProperties": {f"^{i:03}.*$": INT for i in range(33)}}),
        "patternProperties",
    ),
    "a remote reference": ('{"$ref": "http://localhost/x"}', "point into the schema"),
    "a file": ('{"$ref": "file:///etc/passwd"}', "point into the schema"),
    "a reference to nothing": ('{"$ref": "#/$defs/x"}', "does not exist"),
    "a reference to itself": ('{"$defs": {"n": {"$ref": "#/$defs/n"}}, "$ref": "#/$defs/n"}', ""),
    "no end": (json.dumps({"$defs": {"n": strict(n={"$ref": "#/$defs/n"})}, "$ref": "#/$defs/n"}), "without end"),
    "no end, by optional ways": (
        json.dumps({"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": strict(n={"$ref": "#/$defs/n"})}}),
        "without end",
    ),
    "no end of lists": (json.dumps({"type": "array", "minItems": 1, "items": {"$ref": "#"}}), "without end"),
    "no end of the only type": (
        json.dumps({"type": ["array"], "minItems": 1, "prefixItems": [{"$ref": "#"}]}),
        "without end",
    ),
    **{
        f"no end of {ways}": (json.dumps(strict(n={ways: [{"$ref": "#"}, strict(m={"$ref": "#"})]})), "without end")
        for ways in ("allOf", "anyOf", "oneOf")
    },
    "no end behind an escaped name": (
        json.dumps({"$defs": {"a /~1": strict(n={"$ref": "#/$defs/a%20~1~01"})}, "$ref": "#/$defs/a%20~1~01"}),
        "without end",
    ),
    "no end of names": (
        json.dumps({"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#"}}),
        "without end",
    ),
    "ten megabytes": (json.dumps({"description": "x" * 10_000_000}), "64 KiB"),
    "too many bytes in few characters": (json.dumps({"description": "é" * 40_000}, ensure_ascii=False), "64 KiB"),
    "a hundred thousand values": (json.dumps({"enum": list(range(100_000))}), "64 KiB"),
    "half an item": (json.dumps({"type": "array", "minItems": 1.5}), "minItems"),
    "a billion items": (json.dumps({"type": "array", "minItems": 10**9}), "minItems"),
    "ten thousand levels": ('{"items":' * 10_000 + "{}" + "}" * 10_000, "64 KiB|not valid JSON|16 levels"),
    "a counted bomb": (json.dumps({"type": "string", "pattern": "(a{1,100000}b)*"}), "repeats"),
    "nested counts": (json.dumps({"type": "string", "pattern": "((a{30}){30}){30}"}), "repeats"),
    "a look ahead": (
        json.dumps({"type": "string", "pattern": "(?=a)b"}),
        r'invalid regex "\(\?=a\)b": look-around, .* is not supported$',
    ),
    "a reference back": (json.dumps({"type": "string", "pattern": r"(a)\1"}), "backreferences are not supported$"),
    "a hidden schema": (json.dumps({"x": {"n": {"type": "integer"}}, "$ref": "#/x/n"}), "point to a schema"),
    "an unknown type": ('{"type": "text"}', "type"),
    "an unknown format": ('{"type": "string", "format": "phone"}', "format"),
    "not": ('{"not": {"type": "string"}}', "not"),
    "if": ('{"if": {"type": "string"}, "then": {"minLength": 1}}', "if"),
    "uniqueItems": ('{"type": "array", "uniqueItems": true}', "uniqueItems"),
    "contradiction": ('{"allOf": [{"type": "string"}, {"type": "integer"}]}', "Unsatisfiable"),
    "no values": ('{"enum": []}', "Unsatisfiable"),
    "a group that nobody opened": (json.dumps({"type": "string", "pattern": "a)"}), "unopened group$"),
    "a number without end": (json.dumps({"type": "string", "pattern": f"^a{{{'9' * 5000}}}$"}), "repeats"),
    "a bad pattern": ('{"type": "string", "pattern": "[a"}', "regex .*unclosed character class$"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_schemas_that_are_refused(case: str) -> None:
    text, reason = REFUSED[case]
    asked = pb.Constraint(json_schema=text)
    started = time.thread_time()
    with pytest.raises(InvalidRequestError, match=f"^Invalid schema for response_format: .*({reason})") as caught:
        constrain.compile(asked, VOCABULARY)
    assert caught.value.param == "response_format"
    assert len(caught.value.message) < 500
    assert time.thread_time() - started < 1  # what is not bounded takes far longer; `bench.constrained` measures it


def linked(names: list[str]) -> dict[str, Any]:
    """Each name stands for the next one."""
    inner = [{"$ref": f"#/$defs/{name}"} for name in names[1:]]
    return {"$defs": dict(sorted(zip(names, [*inner, INT], strict=True))), "$ref": f"#/$defs/{names[0]}"}


@pytest.mark.parametrize(
    "schema",
    [
        nested(MAX_DEPTH - 1),
        {"type": "array", "maxItems": MAX_REPETITION},
        {"type": "integer", "multipleOf": MAX_REPETITION - 1},
        {"enum": [MAX_EXACT, -MAX_EXACT]},
        strict(**{f"p{i}": BOOL for i in range(MAX_OPTIONAL_PROPERTIES + 1)}),
        {"enum": [{"$ref": "no schema, but a value"}]},
        {"type": "array", "minItems": 1, "prefixItems": [INT], "items": {"$ref": "#"}},
        strict(a={"anyOf": [{"$ref": "#"}, True]}),
        linked([f"d{n:03}" for n in range(MAX_PASSES + 2)]),
        linked([f"d{n:03}" for n in reversed(range(MAX_PASSES + 2))]),
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)
def test_what_is_just_not_too_much_is_taken(schema: dict[str, Any]) -> None:
    constrain.compile(schema_constraint(schema), VOCABULARY)


@pytest.mark.parametrize(
    "most", ["a{1001}b{1}", "a{0}b{1001}", "(abc){334}d", "((ab){3}c){143}", "(a{10}b){91}", "a{2}{500}c"]
)
def test_repetitions_are_counted_as_they_are_written_out(most: str) -> None:
    """Groups and repetitions of repetitions with all that is in them. One more of the last is too much."""
    check_pattern(most)
    with pytest.raises(SchemaError, match="repeats"):
        check_pattern(f"{most}(abc){{3}}")


def test_patterns_of_everyday_life_are_not_too_much() -> None:
    uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    for pattern in (uuid, r"^(\d{1,3}\.){3}\d{1,3}$", "^[^{}]{1,500}$", "^([a-z]{3} ){90}$", r"^\{a{3}\}$"):
        constrain.compile(schema_constraint({"type": "string", "pattern": pattern}), VOCABULARY)


LETTERS = Vocabulary([*BYTES, b"<eos>"], {256}, [256])  # one way to write a text


def takes(grammar: Grammar, text: str) -> bool:
    matcher = grammar.matcher()
    for byte in text.encode():
        if byte not in allowed(matcher, LETTERS):
            return False
        matcher.accept(byte)
    return matcher.may_end


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r'^[^"]+$', ["x\\", "\n", "[", "ü", "\u0001"], ['"', 'x"']),
        (r"^[^\\]+$", ['"', "x]", "\n"], ["\\", "x\\"]),
        (r'^[^"\\]{1,3}$', ["a", "\nü"], ['"', "\\", "abcd"]),
        (r'^\[[^\]"]\]$', ["[a]", "[\\]"], ["a", "[]]", '["]']),
        (r'^[]a"]+$', [']a"'], ["b", "\\"]),
        (r'^[\x00-!#-\u00ff]+$', ["x\\", "ü"], ['"']),
        (r"^\P{P}+$", ["a"], ['"', "\\", "!"]),
        (r"^\\[a]$", [], ["a"]),
    ],
)  # fmt: skip
def test_patterns_without_quotes_or_backslashes(pattern: str, yes: list[str], no: list[str]) -> None:
    """In values, and in names of properties."""
    value = constrain.compile(schema_constraint({"type": "string", "pattern": pattern}), LETTERS)
    names = {"type": "object", "patternProperties": {pattern: {"const": 1}}, "additionalProperties": False}
    name = constrain.compile(schema_constraint(names), LETTERS)
    for text in yes + no:
        assert takes(value, json.dumps(text, ensure_ascii=False)) == (text in yes), text
        assert takes(name, json.dumps({text: 1}, ensure_ascii=False)) == (text in yes), text


def test_oneof_is_refused_in_our_words() -> None:
    with pytest.raises(InvalidRequestError, match=r"use anyOf$"):
        constrain.compile(schema_constraint({"oneOf": [INT, {"minimum": 2}]}), VOCABULARY)


# Each compiles, or is refused, and none of it takes long.
COSTLY = [
    pb.Constraint(lark="start: x{1000}\nx: y{1000}\ny: /a{1000}/"),
    pb.Constraint(lark='start: "z" y{1000}\ny: "' + "a" * 60_000 + '"'),
    pb.Constraint(lark='start: "z" A\nA: B{1000}\nB: C{1000}\nC: "' + "a" * 1000 + '"'),
    pb.Constraint(lark='start: "a"{1,1000000000}'),
    pb.Constraint(lark="start: A\nA: ~/(a|b)*a(a|b){20}/"),
    pb.Constraint(lark="start: A\nA: " + " & ".join(f"/(.*{chr(97 + i)}.*)/" for i in range(26))),
    pb.Constraint(lark="start: " + "(" * 20_000 + '"a"' + ")" * 20_000),
    pb.Constraint(lark="start: r0\n" + "\n".join(f"r{i}: r{i + 1} r{i + 1}" for i in range(2000)) + '\nr2000: "a"'),
    pb.Constraint(regex="(a|b)*a(a|b){900}"),
    pb.Constraint(regex="(" * 20_000 + "a" + ")" * 20_000),
    pb.Constraint(regex="(a?){500}a{500}"),
    pb.Constraint(regex="|".join(f"([a-z]*{i}[0-9]*)" for i in range(3000))),
    pb.Constraint(regex=r"(.*a.*b.*c.*){20}"),
]


@pytest.mark.parametrize("constraint", COSTLY, ids=lambda constraint: str(constraint)[:50])
def test_costly_expressions_have_an_end(constraint: pb.Constraint) -> None:
    started = time.thread_time()
    try:
        matcher = constrain.compile(constraint, VOCABULARY).matcher()
        for _ in range(50):
            tokens = allowed(matcher)
            if tokens[:1] == [EOS] or matcher.ended:
                break
            matcher.accept(tokens[0])
    except InvalidRequestError as error:
        assert error.message.startswith(("Invalid ", "the output can no longer be held"))
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "lark", ['start: %json {"type": "array", "minItems": 1000000}', '%llguidance {"no_forcing": false}\nstart: "a"']
)
def test_what_would_go_round_the_limits_is_refused(lark: str) -> None:
    with pytest.raises(InvalidRequestError, match="is not supported"):
        constrain.compile(pb.Constraint(lark=lark), VOCABULARY)


def longest_wait(number: int) -> float:
    """The longest that a thread waits for the interpreter while another compiles, over all the time that this takes."""
    vocabulary = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS])
    patterns = {f"p{i}": {"type": "string", "pattern": f"^[a-z]{{1,9}}x{number}y{i}[^0-9]+$"} for i in range(500)}
    compiling = threading.Thread(target=constrain.compile, args=(schema_constraint(strict(**patterns)), vocabulary))
    longest_s, began = 0.0, time.perf_counter()
    compiling.start()
    last = began
    while compiling.is_alive():
        time.sleep(0.0005)
        now = time.perf_counter()
        longest_s, last = max(longest_s, now - last), now
    return longest_s / (last - began)


def test_compiling_does_not_hold_the_interpreter() -> None:
    """Else the wait is nearly all of it, each time. A busy machine makes one wait long, but not every one."""
    assert min(map(longest_wait, range(10))) < 0.5


def test_a_thousand_schemas_take_no_memory() -> None:
    vocabulary = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS])
    process = psutil.Process()

    def compile_many(first: int, last: int) -> int:
        for number in range(first, last):
            matcher = constrain.compile(
                schema_constraint(strict(**{f"f{number}": TEXT, "x": INT})), vocabulary
            ).matcher()
            for byte in b'{"f':
                allowed(matcher, vocabulary)
                matcher.accept(byte)
        return int(process.memory_info().rss)

    full = compile_many(0, 2 * MAX_GRAMMARS)
    assert compile_many(2 * MAX_GRAMMARS, 1000) - full < 8 << 20


@pytest.mark.parametrize(
    "constraint",
    [
        pb.Constraint(regex="[a"),
        pb.Constraint(lark="start: nothing"),
        pb.Constraint(regex="a" * 70_000),
        pb.Constraint(regex="$^a"),
    ],
)
def test_bad_expressions_and_grammars_are_refused(constraint: pb.Constraint) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Invalid (regular expression|grammar): ."):
        constrain.compile(constraint, VOCABULARY)


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (pb.Constraint(regex="a" * 70_000), "the expression is larger than 64 KiB"),
        (pb.Constraint(lark=f'start: "{"a" * 70_000}"'), "the grammar is larger than 64 KiB"),
        (pb.Constraint(regex="(?<=a)b"), "look-around, including look-ahead and look-behind, is not supported"),
        (pb.Constraint(lark='start: x\nx: "a" nothing'), 'at 2(4): unknown name: "nothing"'),
        (pb.Constraint(lark="start: x\n\nx: /(?=a)/"), "at 3(4): invalid regex"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where_its_author_wrote_it(constraint: pb.Constraint, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        constrain.compile(constraint, VOCABULARY)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "key", ["properties", "enum", "$ref", "allOf", "required", "items", "anyOf", "pattern", "type", "multipleOf"]
)
@pytest.mark.parametrize(
    "value", [None, 1, "x", [1], {"a": 1}, [{"a": [None]}], True, -1e308, 1e-13, float("inf"), float("nan"), [[]]]
)
def test_malformed_keywords_never_crash(key: str, value: object) -> None:
    for known in ({}, {"type": "object"}, {"type": "array"}):
        try:
            constrain.compile(schema_constraint({**known, key: value}), VOCABULARY)
        except InvalidRequestError as error:
            assert error.message.startswith("Invalid schema for response_format")


def test_options_of_the_compiler_are_not_the_callers() -> None:
    assert checked_schema('{"type": "object", "x-guidance": {"whitespace_flexible": true}}') == {"type": "object"}


def test_grammars_are_kept_and_bounded() -> None:
    vocabulary = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS])
    first = constrain.compile(schema_constraint(INT), vocabulary)
    assert constrain.compile(schema_constraint(INT), vocabulary) is first
    for number in range(MAX_GRAMMARS):
        constrain.compile(schema_constraint({"const": number}), vocabulary)
    assert len(vocabulary.grammars) == MAX_GRAMMARS
    assert constrain.compile(schema_constraint(INT), vocabulary) is not first


def test_a_grammar_that_failed_is_compiled_anew() -> None:
    grammar = constrain.compile(schema_constraint(BOOL), VOCABULARY)
    with pytest.raises(InvalidRequestError):
        grammar.matcher().accept(ord("x"))
    assert constrain.compile(schema_constraint(BOOL), VOCABULARY) is not grammar


def test_matchers_of_one_grammar_know_nothing_of_each_other() -> None:
    grammar = constrain.compile(schema_constraint({"enum": ["ab", "cd"]}), VOCABULARY)
    one, other = grammar.matcher(), grammar.matcher()
    for byte in b'"ab"':
        one.accept(byte)
    assert one.may_end
    for byte in b'"cd"':
        other.accept(byte)
    assert other.may_end


@pytest.mark.parametrize("tokenize", [None, lambda text: [BYTES.index(b"x")], lambda text: 1 / 0, list])
def test_no_tokeniser_can_make_masks_wrong(tokenize: Callable[[bytes], list[int]] | None) -> None:
    """A tokeniser may add a space, or fail: the masks still let the text through, and nothing else."""
    vocabulary = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS], tokenize)
    grammar = constrain.compile(schema_constraint(strict(name={"const": "x"})), vocabulary)
    matcher, written = grammar.matcher(), b""
    while not matcher.ended:
        token = allowed(matcher, vocabulary)[0]
        matcher.accept(token)
        written += b"" if token == EOS else TOKENS[token]
    assert written == b'{"name": "x"}'  # of those allowed the first, which is the blank


@pytest.mark.parametrize("special", [EOS, IM_END, IM_START])
def test_a_tokeniser_that_reads_special_tokens_in_a_text_makes_no_mask_wrong(special: int) -> None:
    text = TOKENS[special].decode()

    def tokenize(given: bytes) -> list[int]:
        before, found, behind = given.partition(TOKENS[special])
        return [*before, *([special] if found else []), *behind]

    vocabulary = Vocabulary(TOKENS, {EOS, IM_END, IM_START}, [EOS, IM_END], tokenize)
    grammar = constrain.compile(schema_constraint({"const": f"a{text}b"}), vocabulary)
    matcher, written = grammar.matcher(), b""
    while not matcher.may_end:
        token = allowed(matcher, vocabulary)[0]
        matcher.accept(token)
        written += TOKENS[token]
    assert json.loads(written) == f"a{text}b"


def test_a_vocabulary_without_ascii_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no token writes"):
        Vocabulary([token for token in TOKENS if token != b"{"], {255}, [255])
