"""Tool calls and reasoning out of text that arrives in pieces: the same however it is cut, and always valid."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from gen import inference_pb2 as pb
from hypothesis import example, given
from hypothesis import strategies as st

from internal.inference.tool_families import FAMILIES, HERMES, LLAMA3, MISTRAL, MISTRAL_NAMED, Family, family_of
from internal.inference.tool_parsing import OutputParser, opens_reasoning, parser_for

TOOLS = [pb.Tool(name="weather"), pb.Tool(name="clock")]
# A template source of each family, and how the family writes two calls.
SOURCES = {
    "hermes": "<tool_call>",
    "llama3": "<|python_tag|>",
    "mistral": "[TOOL_CALLS]",
    "mistral-named": "[TOOL_CALLS] [ARGS]",
}
WEATHER, CLOCK = '{"city": "Zürich \\u00e9 \\"x\\"", "days": [1, 2.5]}', "{}"
TWO_CALLS = {
    "hermes": f'<tool_call>\n{{"name": "weather", "arguments": {WEATHER}}}\n</tool_call>\n'
    f'<tool_call>\n{{"arguments": {CLOCK}, "name": "clock"}}\n</tool_call>',
    "llama3": f'<|python_tag|>{{"name": "weather", "parameters": {WEATHER}}}; '
    f'{{"type": "function", "name": "clock", "parameters": {CLOCK}}}',
    "mistral": f'[TOOL_CALLS] [{{"name": "weather", "arguments": {WEATHER}, "id": "a1"}}, '
    f'{{"name": "clock", "arguments": {CLOCK}}}]',
    "mistral-named": f"[TOOL_CALLS]weather[ARGS]{WEATHER}[TOOL_CALLS]clock[CALL_ID]123[ARGS]{CLOCK}",
}


@dataclass
class Heard:
    """What a caller puts together from deltas, checking the rules of the wire on the way."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)  # [name, arguments]
    ids: list[str] = field(default_factory=list)

    def take(self, deltas: Iterable[pb.Delta]) -> None:
        for delta in deltas:
            assert delta.text or delta.reasoning or delta.tool_calls
            assert not (delta.text and self.calls), "text after a call"
            self.text += delta.text
            self.reasoning += delta.reasoning
            for call in delta.tool_calls:
                self._take_call(call)

    def _take_call(self, call: pb.ToolCallDelta) -> None:
        if call.name:
            assert call.index == len(self.calls)
            assert re.fullmatch("call_[0-9A-Za-z]{24}", call.id)
            assert call.arguments == ""
            self.calls.append([call.name, ""])
            self.ids.append(call.id)
        else:
            assert call.index == len(self.calls) - 1, "calls are interleaved"
            assert call.arguments
            assert not call.id
            self.calls[-1][1] += call.arguments


def hear(parser: OutputParser, pieces: Iterable[str], *, unfinished: bool = False) -> Heard:
    heard = Heard()
    for piece in pieces:
        heard.take(parser.feed(piece))
    heard.take(parser.flush(unfinished=unfinished))
    assert parser.called == bool(heard.calls)
    assert len(set(heard.ids)) == len(heard.ids)
    for name, arguments in heard.calls:
        assert name in ("weather", "clock")
        assert isinstance(json.loads(arguments), dict)
    return heard


def whole(source: str, text: str, **options: bool | int) -> Heard:
    return hear(parser_for(source, TOOLS, **options), [text])  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_an_example_here_and_is_found(family: Family) -> None:
    assert family_of(SOURCES[family.name]) is family
    heard = whole(SOURCES[family.name], TWO_CALLS[family.name])
    assert heard.calls == [["weather", WEATHER], ["clock", CLOCK]]
    assert heard.text == ""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_text_before_the_first_call_is_content(family: Family) -> None:
    text = TWO_CALLS[family.name]
    heard = whole(SOURCES[family.name], f"Let me look.\n{text}\nand then")
    assert heard.text == "Let me look.\n"
    assert len(heard.calls) == 2


def fragments() -> st.SearchStrategy[str]:
    """Pieces of calls of all families, whole and broken, so that every state meets every text."""
    pieces = [
        "<tool_call>", "</tool_call>", "<think>", "</think>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "[", "]", ",",
        ";", '{"name": "weather"', '{"name": "nobody"', ', "arguments": {',
        ', "parameters": {', '"a": 1', '"b": [true, null', "}", "}}",
        ":", '"',
        "weather", "\n", " ", "\\", "x", "é", *TWO_CALLS.values(),
    ]  # fmt: skip
    return st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=3)), max_size=14).map("".join)


def cut(text: str, at: list[int]) -> list[str]:
    places = sorted({min(place, len(text)) for place in at})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.sampled_from(sorted(SOURCES.values())), fragments(), st.lists(st.integers(0, 200)), st.booleans())
def test_any_cut_gives_the_same(source: str, text: str, at: list[int], thinking: bool) -> None:
    source += "<think>" if thinking else ""
    text = f"<think>{text}" if thinking else text
    expected = whole(source, text)
    for pieces in (cut(text, at), list(text)):
        heard = hear(parser_for(source, TOOLS), pieces)
        assert (heard.text, heard.reasoning, heard.calls) == (expected.text, expected.reasoning, expected.calls)


@given(st.sampled_from(sorted(SOURCES.values())), fragments())
@example(SOURCES["hermes"], "\n <tool_call>hm")
def test_what_is_no_call_is_content_to_the_last_character(source: str, text: str) -> None:
    heard = whole(source, text)
    if not heard.calls:
        assert heard.text == text
    else:
        assert text.lstrip().startswith(heard.text.lstrip())


@given(st.text(), st.sampled_from(sorted(SOURCES.values())))
def test_text_without_markers_is_not_held(text: str, source: str) -> None:
    """Beyond leading white space and what might begin a marker, everything is said at once."""
    text = "a" + re.sub(r"[<\[{]", "", text)
    parser = parser_for(source + "<think>", TOOLS)
    for end in range(1, len(text) + 1):
        (delta,) = parser.feed(text[end - 1 : end])
        assert delta.text == text[end - 1 : end]


@given(st.text(max_size=20))
def test_without_tools_nothing_is_looked_for(text: str) -> None:
    parser = parser_for("<tool_call> [TOOL_CALLS]", [])
    assert "".join(delta.text for delta in parser.feed(text)) == text
    assert parser.flush() == []


def test_a_call_is_announced_before_its_arguments_and_they_stream() -> None:
    parser = parser_for(SOURCES["hermes"], TOOLS)
    assert parser.feed('<tool_call>{"name": "weath') == []
    (announced,) = parser.feed('er", ')
    assert (announced.tool_calls[0].name, announced.tool_calls[0].arguments) == ("weather", "")
    (first,) = parser.feed('"arguments": {"city": "Ber')
    (second,) = parser.feed("n")
    assert [d.tool_calls[0].arguments for d in (first, second)] == ['{"city": "Ber', "n"]
    assert parser.called


# How calls are written, and what comes of it: (text, content, calls).
ODD_CALLS: dict[str, tuple[str, str, list[list[str]]]] = {
    "no arguments": ('{"name": "clock"}', "", [["clock", "{}"]]),
    "null": ('{"name": "clock", "arguments": null}', "", [["clock", "{}"]]),
    "arguments first": ('{"arguments": {"a": 1}, "name": "clock"}', "", [["clock", '{"a": 1}']]),
    "in a string": ('{"name": "clock", "arguments": "{\\"a\\": 1}"}', "", [["clock", '{"a": 1}']]),
    "half a character": (
        '{"name": "clock", "arguments": "{\\"a\\": \\"\\\\ud83d\\"}"}',
        "",
        [["clock", "{}"]],
    ),
    "not a number": ('{"name": "clock", "arguments": "{\\"a\\": NaN}"}', "", [["clock", "{}"]]),
    "an empty string": ('{"name": "clock", "arguments": ""}', "", [["clock", "{}"]]),
    "a plain string": ('{"name": "clock", "arguments": "now"}', "", [["clock", "{}"]]),
    "a list": ('{"name": "clock", "arguments": [1]}', "", [["clock", "{}"]]),
    "other key for them": ('{"name": "clock", "parameters": {"a": 1}}', "", [["clock", '{"a": 1}']]),
    "escaped name": ('{"name": "cl\\u006fck", "arguments": {}}', "", [["clock", "{}"]]),
    "unknown tool": ('{"name": "x", "arguments": {}}', '<tool_call>{"name": "x", "arguments": {}}</tool_call>', []),
    "no name": ('{"arguments": {}}', '<tool_call>{"arguments": {}}</tool_call>', []),
    "no JSON": ("hm", "<tool_call>hm</tool_call>", []),
    "nothing": ("{}", "<tool_call>{}</tool_call>", []),
    "unknown key": ('{"a": 1, "name": "clock"}', '<tool_call>{"a": 1, "name": "clock"}</tool_call>', []),
    "no colon": ('{"name", "clock"}', '<tool_call>{"name", "clock"}</tool_call>', []),
    "no key": ('{name: "clock"}', '<tool_call>{name: "clock"}</tool_call>', []),
    "no text of a name": ('{"name": 1}', '<tool_call>{"name": 1}</tool_call>', []),
    "an endless key": (f'{{"{"a" * 400}"}}', f'<tool_call>{{"{"a" * 400}"}}</tool_call>', []),
    "a name twice": ('{"name": "clock", "name": "weather"}', "", [["clock", "{}"]]),
    "an id twice": (
        '{"id": 1, "id": 2, "name": "clock"}',
        '<tool_call>{"id": 1, "id": 2, "name": "clock"}</tool_call>',
        [],
    ),
    "no comma": ('{"name": "clock" "arguments": {}}', "", [["clock", "{}"]]),
    "blanks": (' \n{ "name" :\t"clock" , "arguments" : {\n "a" : 1\r\n} }', "", [["clock", '{\n "a" : 1\r\n}']]),
    "null first": ('{"arguments": null, "name": "clock"}', "", [["clock", "{}"]]),
    "blanks in a string": ('{"arguments": " ", "name": "clock"}', "", [["clock", "{}"]]),
    "in a string, first": ('{"arguments": "{\\"a\\": 1}", "name": "clock"}', "", [["clock", '{"a": 1}']]),
    "a list in a string": ('{"name": "clock", "arguments": "[1]"}', "", [["clock", "{}"]]),
    "too deep in a string": (f'{{"name": "clock", "arguments": "{"[" * 5000}"}}', "", [["clock", "{}"]]),
    "unknown first key": ('{"a": 1}', '<tool_call>{"a": 1}</tool_call>', []),
    "broken in a text": ('{"name": "clock", "arguments": {"a": "b\\x"}}', "", [["clock", '{"a": "b\\\\"}']]),
    "broken after a comma": ('{"name": "clock", "arguments": {"a": 1, }}', "", [["clock", '{"a": 1}']]),
    "line break in a text": ('{"name": "clock", "arguments": {"a": "b\nc"}}', "", [["clock", '{"a": "b\\nc"}']]),
    "single quotes": ('{"name": "clock", "arguments": {\'a\': 1}}', "", [["clock", "{}"]]),
    "extra keys": ('{"name": "clock", "why": [1], "arguments": {"a": 1}}', "", [["clock", '{"a": 1}']]),
}


@pytest.mark.parametrize("case", ODD_CALLS)
def test_odd_calls(case: str) -> None:
    """Whatever became of one, the next is a call."""
    text, content, calls = ODD_CALLS[case]
    heard = whole(SOURCES["hermes"], f"<tool_call>{text}</tool_call>")
    assert (heard.text, heard.calls) == (content, calls)
    heard = whole(SOURCES["hermes"], f'<tool_call>{text}</tool_call><tool_call>{{"name": "weather"}}</tool_call>')
    assert (heard.text, heard.calls) == (content, [*calls, ["weather", "{}"]])


@given(st.integers(0, len(TWO_CALLS["hermes"])))
def test_a_call_that_is_cut_off_has_valid_arguments(length: int) -> None:
    whole(SOURCES["hermes"], TWO_CALLS["hermes"][:length])


def test_who_is_cut_within_a_call_is_known() -> None:
    call = '{"name": "weather", "arguments": {"a": [1]}}'
    for length in range(len(call) + 1):
        parser = parser_for(SOURCES["hermes"], TOOLS)
        parser.feed(f"<tool_call>{call[:length]}")
        parser.flush()
        assert parser.cut == (0 < length < len(call))


def test_what_may_have_been_a_thought_is_said_when_the_limit_cuts_it() -> None:
    assert hear(parser_for("<think><tool_call>", TOOLS), ["<thin"], unfinished=True).text == "<thin"


@pytest.mark.parametrize("said", ["<tool_call>", "<tool_call>\n", '<tool_call>\n{"name": "wea'])
def test_of_a_call_that_the_limit_cuts_before_its_name_nothing_is_said(said: str) -> None:
    for piece, unfinished, text in ((said, True, ""), (said, False, said), (f"so: {said}", True, "so: ")):
        parser = parser_for(SOURCES["hermes"], TOOLS)
        heard = Heard()
        heard.take(parser.feed(piece))
        heard.take(parser.flush(unfinished=unfinished))
        assert (heard.text, heard.calls) == (text, [])


@pytest.mark.parametrize("before", ["", "\n", "<think>Hm</think>\n\n"])
def test_of_an_output_that_the_limit_cuts_within_the_mark_of_a_call_nothing_is_said(before: str) -> None:
    """Where a call must be, and its mark is several tokens, the first of them were content."""
    for said, unfinished, text in (("<tool_", True, ""), ("<tool_", False, "<tool_"), ("<too much", True, "<too much")):
        parser = parser_for(SOURCES["hermes"] + "</think>", TOOLS)
        heard = Heard()
        heard.take(parser.feed(before + said))
        heard.take(parser.flush(unfinished=unfinished))
        assert (heard.text.lstrip(), heard.calls) == (text, [])


def test_a_bare_call_is_one_only_at_the_start() -> None:
    call = '{"name": "clock", "parameters": {}}'
    assert whole(SOURCES["llama3"], f" \n{call}").calls == [["clock", "{}"]]
    assert whole(SOURCES["llama3"], f"so: {call}").text == f"so: {call}"
    assert whole(SOURCES["llama3"], '{"city": "Bern"}').text == '{"city": "Bern"}'


def test_more_calls_than_allowed_are_left_out() -> None:
    assert whole(SOURCES["hermes"], TWO_CALLS["hermes"], max_calls=1).calls == [["weather", WEATHER]]
    many = whole(SOURCES["mistral"], "[TOOL_CALLS][" + '{"name": "clock"},' * 200)
    assert len(many.calls) == 128


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("<think>\nso\n</think>\n\nHello", "so", "Hello"),
        ("\n<think>so</think>", "so", ""),
        ("<think>so", "so", ""),
        ("<think>a <tool_call> b</think> c", "a <tool_call> b", "c"),
        ("<thin", "", "<thin"),
        ("Hi <think>no</think>", "", "Hi <think>no</think>"),
        ("  Hi", "", "  Hi"),
        ("<think></think>\n", "", ""),
        ("<think>so</think><think>no</think>", "so", "<think>no</think>"),
        ("<think>so </thi", "so </thi", ""),
        ("<think>so</think>Hello <tool_call>", "so", "Hello <tool_call>"),
        ("\n \n", "", "\n \n"),
    ],
)
def test_reasoning_stands_at_the_start(text: str, reasoning: str, content: str) -> None:
    for pieces, tools in itertools.product(([text], list(text)), (TOOLS, [])):
        heard = hear(parser_for("<think><tool_call>", tools), pieces, unfinished=not tools)
        assert (heard.reasoning, heard.text) == (reasoning, content)


def test_reasoning_is_not_held() -> None:
    """But for white space, which may be its last, and what might begin its end."""
    parser = parser_for("<think>", [])
    pieces = ("<think>\n", "so", " ", "is", "</th", "ink", "</think>\n", "it")
    said = [Heard(reasoning=delta.reasoning, text=delta.text) for piece in pieces for delta in parser.feed(piece)]
    assert [one.reasoning for one in said] == ["so", " is", "</think", ""]
    assert said[-1].text == "it"


def test_reasoning_that_the_prompt_opened() -> None:
    assert opens_reasoning(["…<|im_start|>assistant\n<think>\n"])
    assert not opens_reasoning(["…<|im_start|>assistant\n<think>\n\n</think>\n\n"])
    heard = whole("", "so\n</think>\nHello", reasoning_open=True)
    assert (heard.reasoning, heard.text) == ("so", "Hello")


def test_a_call_after_reasoning() -> None:
    heard = whole("<think><tool_call>", f"<think>so</think>\n\n{TWO_CALLS['hermes']}")
    assert (heard.reasoning, heard.text, len(heard.calls)) == ("so", "", 2)


def test_markers_are_what_must_reach_the_parser() -> None:
    assert parser_for("<think>[TOOL_CALLS][ARGS]", TOOLS).markers == ("[TOOL_CALLS]", "[ARGS]", "<think>", "</think>")
    assert parser_for("<tool_call>", []).markers == ()


def test_families_of_real_sources() -> None:
    assert family_of('Respond in the format {"name": function name, "parameters": dictionary}') is LLAMA3
    assert family_of("nothing about tools") is HERMES
    assert family_of("{{- '[TOOL_CALLS] [' }}") is MISTRAL
    assert family_of("{{- '[TOOL_CALLS]' + name + '[ARGS]' }}") is MISTRAL_NAMED
