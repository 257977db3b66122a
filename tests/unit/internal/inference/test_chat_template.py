"""Every template says every conversation: no word lost, no role forged, no template out of bounds."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

import pytest
from gen import inference_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from internal.errors import InternalError, InvalidRequestError, UnsupportedError
from internal.inference.chat_template import MAX_CPU_S, ChatTemplate
from internal.inference.tool_families import knows_thinking

SPECIAL = [
    "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|python_tag|>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
    "[AVAILABLE_TOOLS]", "<start_of_turn>", "<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
    "<|User|>", "<|Assistant|>", "<|end_of_sentence|>", "<think>", "</think>", "<tool_call>", "<|image|>",
]  # fmt: skip
TEMPLATES = {
    path.stem: ChatTemplate(path.read_text(), "<s>", "</s>", SPECIAL)
    for path in sorted((Path(__file__).parent / "templates").glob("*.jinja"))
}
every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
WEATHER = pb.Tool(
    name="weather", description="Tells the weather", parameters_json='{"type": "object", "properties": {}}'
)


def message(role: str, text: str = "", **more: object) -> pb.Message:
    return pb.Message(role=role, parts=[pb.Part(text=text)] if text else [], **more)  # type: ignore[arg-type]


def chat(*messages: pb.Message, **more: object) -> pb.Chat:
    return pb.Chat(messages=messages, **more)  # type: ignore[arg-type]


def result(number: int, text: str) -> pb.Message:
    return message("tool", text, tool_call_id=call(number).id)


def call(number: int, arguments: str = '{"city": "Köln"}') -> pb.ToolCall:
    return pb.ToolCall(id=f"call_{number:024}", name="weather", arguments=arguments)


def test_what_each_template_lacks() -> None:
    """Found by trying; written down here so that a change in the probes is seen."""
    lacks = {
        name: {field for field in template.capabilities.__slots__ if not getattr(template.capabilities, field)}
        for name, template in TEMPLATES.items()
    }
    told = {"tools", "tool_history"}
    assert lacks == {
        "chatml": told,
        "gemma": {"system", "same_role", "assistant_first", *told},
        "hermes": set(),
        "llama2": {"late_system", "system_alone", "same_role", "assistant_first", *told},
        "llama3": {"parallel_calls"},
        "mistral": {"late_system", "system_alone", "same_role", "assistant_first", "long_ids"},
        "parts": {"string_content", *told},
        "phi3": told,
        "reasoner": {"late_system", *told},
        "thinking": set(),
    }
    assert [name for name, template in TEMPLATES.items() if template.capabilities.tools] == [
        "hermes", "llama3", "mistral", "thinking",
    ]  # fmt: skip
    thinking = [name for name, template in TEMPLATES.items() if knows_thinking(template.source) or template._switch]
    assert thinking == ["reasoner", "thinking"]


def test_a_plain_conversation_is_rendered_to_the_letter() -> None:
    conversation = chat(
        message("system", "Be kind."), message("user", "Hi <b>"), message("assistant", "Yes?"), message("user", "Go")
    )
    expected = {
        "chatml": "<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>user\nHi <b><|im_end|>\n<|im_start|>assistant\nYes?"
        "<|im_end|>\n<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n",
        "gemma": "<s><start_of_turn>user\nBe kind.\n\nHi <b><end_of_turn>\n<start_of_turn>model\nYes?<end_of_turn>\n"
        "<start_of_turn>user\nGo<end_of_turn>\n<start_of_turn>model\n",
        "mistral": "<s>[INST] Hi <b>[/INST] Yes?</s>[INST] Be kind.\n\nGo[/INST]",
        "llama2": "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi <b> [/INST] Yes? </s><s>[INST] Go [/INST]",
        "phi3": "<|system|>\nBe kind.<|end|>\n"
        "<|user|>\nHi <b><|end|>\n<|assistant|>\nYes?<|end|>\n<|user|>\nGo<|end|>\n<|assistant|>\n",
    }  # fmt: skip
    for name, text in expected.items():
        assert TEMPLATES[name].render(conversation) == [text]


HARD_CONVERSATIONS = {
    "two system messages": chat(message("system", "w1"), message("system", "w2"), message("user", "w3")),
    "a late system message": chat(
        message("system", "w0"), message("user", "w1"), message("assistant", "w2"), message("system", "w3"),
        message("user", "w4"),
    ),
    "system at the end": chat(message("user", "w1"), message("system", "w2")),
    "only a system message": chat(message("system", "w1")),
    "a user who speaks twice": chat(message("user", "w1"), message("user", "w2")),
    "an assistant who speaks twice": chat(
        message("user", "w1"), message("assistant", "w2"), message("assistant", "w3"), message("user", "w4")
    ),
    "the assistant first": chat(message("assistant", "w1"), message("user", "w2")),
    "only the assistant": chat(message("assistant", "w1")),
    "the assistant last": chat(message("user", "w1"), message("assistant", "w2")),
    "a call and its result": chat(
        message("user", "w1"), message("assistant", tool_calls=[call(1)]), result(1, "w2")
    ),
    "text with a call": chat(
        message("user", "w1"), message("assistant", "w2", tool_calls=[call(1)]), result(1, "w3")
    ),
    "parallel calls": chat(
        message("user", "w1"), message("assistant", tool_calls=[call(1), call(2)]),
        result(1, "w2"), result(2, "w3"), message("user", "w4"),
        tools=[WEATHER],
    ),
    "a user right after a result": chat(
        message("system", "w1"), message("user", "w2"), message("assistant", tool_calls=[call(1, "")]),
        result(1, "w3"), message("user", "w4"), tools=[WEATHER],
    ),
    "a call with arguments that are no JSON": chat(
        message("user", "w1"), message("assistant", tool_calls=[call(1, "{w2")]), result(1, "w3")
    ),
    "tools": chat(message("system", "w1"), message("user", "w2"), tools=[WEATHER]),
    "tools with a system message only": chat(message("system", "w1"), tools=[WEATHER]),
    "tools without a system message": chat(message("user", "w1"), tools=[WEATHER]),
}  # fmt: skip
# Text beside a call is left out by the template itself, and no probe can give it back.
KNOWN_LOSSES = {("llama3", "text with a call"): {"w2"}, ("mistral", "text with a call"): {"w2"}}


@pytest.mark.parametrize("case", HARD_CONVERSATIONS)
@every_template
def test_no_conversation_is_refused_and_no_word_is_lost(template: ChatTemplate, case: str) -> None:
    conversation = HARD_CONVERSATIONS[case]
    (text,) = template.render(conversation)
    name = next(name for name, other in TEMPLATES.items() if other is template)
    words = {part.text for m in conversation.messages for part in m.parts} - KNOWN_LOSSES.get((name, case), set())
    words |= {"weather"} if conversation.tools or any(m.tool_calls for m in conversation.messages) else set()
    assert {word for word in words if word not in text} == set()


@every_template
def test_the_final_message_can_be_continued(template: ChatTemplate) -> None:
    conversation = chat(message("user", "Hi"), message("assistant", "Well, \n "), continue_final_message=True)
    assert template.render(conversation)[-1].endswith("Well, \n ")


def test_what_cannot_be_continued_is_refused() -> None:
    for last, said in (
        (message("user", "x"), "continue_final_message"),
        (message("assistant", tool_calls=[call(1)]), "send their results"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            TEMPLATES["hermes"].render(chat(message("user", "Hi"), last, continue_final_message=True))


fragments = st.lists(
    st.sampled_from([*SPECIAL, "<|im_", "start|>", "<", "|", ">",
        "[IN", "ST]", "</", "s>", " ", "\n", "x", "system\n", "\ue000", '"', "\\"]),
    max_size=6,
).map("".join)  # fmt: skip


@given(st.sampled_from(sorted(TEMPLATES)), st.lists(fragments, min_size=7, max_size=7))
@settings(max_examples=100)
def test_no_text_becomes_a_special_token(name: str, texts: list[str]) -> None:
    """The prompt has the special tokens of the same conversation in harmless words, and not one more."""

    def conversation(words: list[str]) -> pb.Chat:
        tool = pb.Tool(
            name=words[4], description=words[5], parameters_json=json.dumps({"type": "object", words[6]: [words[6]]})
        )
        use = pb.ToolCall(id="call_1", name=words[4], arguments=json.dumps({words[5]: words[6]}))
        return chat(
            message("system", words[0]), message("user", words[1], name=words[3]),
            message("assistant", tool_calls=[use]),
            message("tool", words[2], tool_call_id="call_1"), message("user", words[3]),
            tools=[tool],
        )  # fmt: skip

    # The words are not empty, as templates leave empty messages out.
    hostile = TEMPLATES[name].render(conversation([f"a{text}z" for text in texts]))
    harmless = TEMPLATES[name].render(conversation(["az"] * 7))
    for token in SPECIAL:
        assert count(hostile, token) == count(harmless, token), token
    said = "".join(hostile)
    assert f"a{texts[1]}z" in said


def count(pieces: list[str], token: str) -> int:
    return sum(piece.count(token) for piece in pieces)


def test_names_cannot_be_special_tokens() -> None:
    pieces = TEMPLATES["parts"].render(chat(message("user", "x", name="<|im_end|>")))
    assert "".join(pieces).startswith("<|im_start|>user <|im_end|>\nx")
    assert count(pieces, "<|im_end|>") == 1


def test_neighbouring_texts_cannot_make_a_special_token_together() -> None:
    parts = [pb.Part(text="<|im_"), pb.Part(text="end|>"), IMAGE, pb.Part(text="<"), pb.Part(text="|im_end|>")]
    before, *pieces = TEMPLATES["parts"].render(chat(pb.Message(role="user", parts=parts)))
    assert before == "<|im_start|>user\n<"
    assert pieces == ["|im_end|>", 0, "<", "|im_end|><|im_end|>\n<|im_start|>assistant\n"]


IMAGE = pb.Part(image=pb.Image(data=b"x"))


@every_template
def test_images_stand_where_they_were_said(template: ChatTemplate) -> None:
    """In any template, whether or not it knows of images."""
    first = pb.Message(role="user", parts=[IMAGE, pb.Part(text="w1 "), IMAGE])
    last = pb.Message(role="user", parts=[pb.Part(text=" w3 "), IMAGE, pb.Part(text=" w4")])
    pieces = template.render(chat(message("system", "w0"), first, message("assistant", "w2"), last))
    assert [piece for piece in pieces if isinstance(piece, int)] == [0, 1, 2]
    said = "".join(f"[{piece}]" if isinstance(piece, int) else piece for piece in pieces)
    assert said.index("[0]w1") < said.index("[1]") < said.index("w2") < said.index("w3 [2] w4")


def test_images_of_results_move_with_them() -> None:
    """Where a template wants each result right behind its call, and their order in the request is another."""
    calls = message("assistant", tool_calls=[call(1), call(2)])
    seen = [pb.Message(role="tool", parts=[pb.Part(text=f"r{n}"), IMAGE], tool_call_id=call(n).id) for n in (2, 1)]
    pieces = TEMPLATES["llama3"].render(chat(message("user", "w"), calls, *seen))
    assert [piece for piece in pieces if isinstance(piece, int)] == [1, 0]


def test_a_template_that_leaves_images_out_is_refused_them() -> None:
    silent = ChatTemplate("{% for m in messages %}{{ m.role }}{% endfor %}", "", "", [])
    with pytest.raises(InvalidRequestError, match="leaves images"):
        silent.render(chat(pb.Message(role="user", parts=[IMAGE])))


@pytest.mark.parametrize("before", range(5, 11))
def test_a_template_that_cuts_images_is_refused_them(before: int) -> None:
    cutting = ChatTemplate("{% for m in messages %}{{ m.content[:9] }}, {% endfor %}", "", "", [])
    said = pb.Message(role="user", parts=[pb.Part(text="a" * before), IMAGE])
    with contextlib.nullcontext() if before <= 6 else pytest.raises(InvalidRequestError, match="leaves images"):
        assert cutting.render(chat(said)) == ["a" * before, 0, ", "]


def test_thinking_is_steered_by_template_variables_and_old_reasoning_is_left_out() -> None:
    thinking = TEMPLATES["thinking"]
    (off,) = thinking.render(chat(message("user", "Hi"), template_kwargs_json='{"enable_thinking": false}'))
    assert off.endswith("assistant\n<think>\n\n</think>\n\n")
    old = message("assistant", "<think>secret</think>Yes")
    assert "secret" not in "".join(thinking.render(chat(message("user", "a"), old, message("user", "b"))))
    kept = chat(
        message("user", "a"), message("assistant", tool_calls=[call(1)], reasoning="because"), message("tool", "r")
    )
    assert "<think>\nbecause\n</think>" in "".join(thinking.render(kept))


SAY = "{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}"
LEVELLED = ChatTemplate(
    "{{ reasoning_effort or 'as ever' }}{% for m in messages %}{{ m.content }}{% endfor %}", "", "", []
)


@pytest.mark.parametrize(
    ("wish", "thinks", "level"),
    [("", True, "as ever"), ("minimal", False, "low"), ("low", True, "low"), ("max", True, "high")],
)
def test_an_effort_that_is_wished_for_is_the_nearest_that_a_template_knows(wish: str, thinks: bool, level: str) -> None:
    conversation = chat(message("user", "Hi"), reasoning_effort=wish, effort_is_wish=True)
    (switched,) = TEMPLATES["thinking"].render(conversation)
    assert switched.endswith("</think>\n\n") is not thinks
    assert LEVELLED.render(conversation) == [f"{level}Hi"]
    assert TEMPLATES["chatml"].render(conversation) == TEMPLATES["chatml"].render(chat(message("user", "Hi")))


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh"])
def test_an_effort_is_told_as_it_is_or_refused(effort: str) -> None:
    conversation = chat(message("user", "Hi"), reasoning_effort=effort)
    (switched,) = TEMPLATES["thinking"].render(conversation)
    assert switched.endswith("</think>\n\n") is (effort == "none")
    for template, takes, said in (
        (LEVELLED, effort in ("low", "medium", "high"), "are low, medium, high"),
        (TEMPLATES["chatml"], effort == "none", "does not reason"),
        (TEMPLATES["reasoner"], effort != "none", "cannot answer without reasoning"),
    ):
        with contextlib.nullcontext() if takes else pytest.raises(UnsupportedError, match=said) as refused:
            (text,) = template.render(conversation)
            assert template is not LEVELLED or text == f"{effort}Hi"
        assert takes or refused.value.param == "reasoning_effort"


def test_what_a_template_says_of_the_messages_as_they_are_is_told() -> None:
    """Not what it says of what was made of them."""
    picky = "{% if 'now' in messages[-1].content %}{{ raise_exception('no ' ~ messages | length) }}{% endif %}"
    with pytest.raises(InvalidRequestError, match="refuses these messages: no 2") as caught:
        ChatTemplate(picky + SAY, "", "", []).render(chat(message("system", "x"), message("user", "now")))
    assert caught.value.param == "messages"


def test_who_takes_all_private_characters_is_asked_for_fewer() -> None:
    every = "".join(map(chr, range(0xE000, 0xF900)))
    with pytest.raises(InvalidRequestError, match="write fewer"):
        TEMPLATES["chatml"].render(chat(message("user", every)))


def test_arguments_are_text_where_a_template_wants_text() -> None:
    calls = "{% for c in m.tool_calls or [] %}{{ c.function.name + c.function.arguments }}{% endfor %}"
    template = ChatTemplate(SAY.replace("{% endfor %}", calls + "{% endfor %}"), "", "", [])
    assert not template.capabilities.object_arguments
    said = template.render(chat(message("user", "u"), message("assistant", tool_calls=[call(1)]), result(1, "r")))
    assert said == ['useruassistantweather{"city": "Köln"}toolr']


@pytest.mark.parametrize("text", ["{", "[]", '{"messages": []}', '{"bos_token": "x"}', "[" * 100_000])
def test_bad_template_variables_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="chat_template_kwargs"):
        TEMPLATES["chatml"].render(chat(message("user", "x"), template_kwargs_json=text))


def test_tools_are_not_offered_when_none_may_be_called() -> None:
    conversation = chat(message("user", "x"), tools=[WEATHER], tool_choice=pb.ToolChoice(mode=pb.ToolChoice.NONE))
    for template in TEMPLATES.values():
        assert "weather" not in "".join(template.render(conversation))


def test_short_ids_are_the_same_for_call_and_result() -> None:
    (text,) = TEMPLATES["mistral"].render(HARD_CONVERSATIONS["a call and its result"])
    id_of_call, id_of_result = text.split('"id": "')[1][:9], text.split('"call_id": "')[1][:9]
    assert id_of_call == id_of_result
    assert id_of_call.isalnum()


def test_escaped_json_keeps_text_broken() -> None:
    template = ChatTemplate(
        "{% for m in messages %}{{ m.content | tojson(ensure_ascii=true) }}{% endfor %}", "", "", ["<e>"]
    )
    assert template.render(chat(message("user", "é<e>\\ue000"))) == ['"\\u00e9<', 'e>\\\\ue000"']


TWO_DOUBLED = "{% set x = [1] %}{% set y = [1] %}" + "{% set x = [x, x] %}{% set y = [y, y] %}" * 60
HOSTILE = {
    "endless loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "recursion": "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "branching recursion": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(90) }}",
    "recursive loop": "{% for a in [[]] recursive %}{{ loop([[]]) }}{% endfor %}",
    "long text": "{{ 'a' * 10**9 }}",
    "long list": "{{ ([0] * 10**9) | length }}",
    "huge number": "{{ 9 ** 9 ** 9 ** 9 }}",
    "huge product": "{% set ns = namespace(x=9) %}{% for i in range(999) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "doubling ~": "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "doubling +": "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "doubling blocks": "{% set x %}aa{% endset %}" + "{% set x %}{{x}}{{x}}{% endset %}" * 60,
    "doubling lists": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "doubling JSON": "{% set x = [1] %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x | tojson }}",
    "doubling text": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x | string | length }}",
    "doubling words": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ [x] | map('upper') | first }}",
    "doubling values": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ {'a': x}.values() }}",
    "comparing": TWO_DOUBLED + "{{ x == y }}",
    "comparing by a test": TWO_DOUBLED + "{{ x is eq(y) }}",
    "comparing in a selection": TWO_DOUBLED + "{{ [x] | select('equalto', y) | list | length }}",
    "comparing in a search": TWO_DOUBLED + "{{ x in [y] }}",
    "comparing in a method": TWO_DOUBLED + "{{ [x].count(y) }}",
    "comparing to sort": TWO_DOUBLED + "{{ [x, y] | select | sort | length }}",
    "comparing again and again": "{% set x = [0] * 99999 %}{% set y = [0] * 99999 %}"
    "{% for i in range(99999) %}{% set z = x == y %}{% endfor %}",
    "doubling keys": "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1} | length }}",
    "doubling keys by items": "{% set x = (1,) %}" + "{% set x = {x: x}.items() | first %}" * 60,
    "doubling keys by +": "{% set x = (1,) %}" + "{% set x = (x,) + (x,) %}" * 60 + "{{ {x: 1} | length }}",
    "doubling namespaces": "{% set x = namespace(a=1) %}" + "{% set x = namespace(a=x, b=x) %}" * 60 + "{{ x }}",
    "a namespace of doubled lists": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ namespace(a=x) | string }}",
    "sum of lists": "{{ ([[0] * 99999] * 99999) | sum(start=[]) | length }}",
    "one text many times": "{{ ['a' * 99999] * 9999 }}",
    "one key many times": "{{ [{'a' * 99999: 1}] * 9999 }}",
    "join": "{% set x = 'a' * 9999999 %}{{ [x, x, x, x] | join(x) }}",
    "str.join": "{% set x = 'a' * 9999999 %}{{ x.join([x, x, x, x]) }}",
    "replace": "{{ ('a' * 999999).replace('a', 'a' * 999999) }}",
    "replace filter": "{{ ('a' * 999999) | replace('a', 'a' * 999999) }}",
    "JSON far to the right": "{% set ns = namespace(x=[0] * 99999) %}"
    "{% for i in range(99) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson(indent=16) | length }}",
    "JSON by a long indent": "{{ ([0] * 99999) | tojson(indent='0' * 999 ~ 1) | length }}",
    "JSON by a wide indent": "{{ [1] | tojson(indent=10**9) | length }}",
    "JSON far apart": "{{ ([0] * 99999) | tojson(separators=('a' * 999, ':')) | length }}",
    "indent": "{{ ('\\n' * 999999) | indent(999999) }}",
    "indent of other lines": "{{ ('\\x0b' * 999999) | indent('a' * 99) }}",
    "center": "{{ 'a'.center(10**9) }}",
    "center filter": "{{ 'a' | center(10**9) }}",
    "attr filter": "{{ ('a' | attr('center'))(10**9) }}",
    "format": "{{ '{:999999999}'.format(1) }}",
    "percent": "{{ '%0999999999d' % 1 }}",
    "format filter": "{{ '%0999999999d' | format(1) }}",
    "lipsum": "{{ lipsum(10**9) }}",
    "huge precision": "{{ 5 | round(-(10**9)) }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('true') }}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "mutation": "{{ messages.append(1) }}",
    "too much output": "{% for a in range(9999) %}{{ 'a' * 9999 }}{% endfor %}",
    "not a number": "{{ 1 // 0 }}",
    "wrong type": "{{ messages + 1 }}",
    "its own complaint": "{{ raise_exception('never') }}",
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_templates_are_stopped(case: str) -> None:
    """At the first message that sets them off (so they load), with an error and within their time."""
    begun_s = time.thread_time()
    template = ChatTemplate(SAY + "{% if 'now' in messages[0].content %}" + HOSTILE[case] + "{% endif %}", "", "", [])
    assert template.render(chat(message("user", "x"))) == ["userx"]
    with pytest.raises(InvalidRequestError) as caught:
        template.render(chat(message("user", "now")))
    assert caught.value.param == "messages"
    assert time.thread_time() - begun_s < MAX_CPU_S + 1


def test_templates_that_cannot_be_used_are_refused_at_load() -> None:
    with pytest.raises(InternalError, match="line 2"):
        ChatTemplate("{{ a }}\n{% if %}", "", "", [])
    with pytest.raises(InternalError, match="cannot be used"):
        ChatTemplate("{{ 'a' * 10**9 }}", "", "", [])


@pytest.mark.parametrize(
    "source",
    ["{{ " + "[" * 3000 + "]" * 3000 + " }}", "{% for a in [] %}" * 25 + "{% endfor %}" * 25],
    ids=["brackets", "loops"],
)
def test_templates_nested_too_deep_are_refused_at_load(source: str) -> None:
    with pytest.raises(InternalError, match="does not compile"):
        ChatTemplate(source, "", "", [])


def test_what_templates_of_others_use() -> None:
    source = (
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% if loop.first %}{% continue %}{% endif %}{% break %}{% endfor %}"
        "{{ strftime_now('%Y') | length }}{{ ', '.join(['a', 'b']) }}{{ 'a-b'.split('-')[1] }}"
        "{{ 'x\ny\n' | indent(2) }}{{ ['a'] | map('upper') | join }}{{ {'a': 1}.items() | list | length }}{{ 5 % 3 }}"
    )
    template = ChatTemplate(source, "", "", [])
    assert template.render(chat(message("user", "a"), message("assistant", "b"), message("user", "c"))) == [
        "ab4a, bbx\n  y\nA12"
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a\n  {% if true %}\nb{% endif %}", "a\nb"),
        ("{{ {'b': [1], 'a': '<ü>'} | tojson(indent=2) }}", '{\n  "b": [\n    1\n  ],\n  "a": "<ü>"\n}'),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}", '{"a":2,"b":1}'),
        ("{{ 'x\n\ny' | indent }}", "x\n\n    y"),
        ("{{ 'x\n\ny' | indent('- ', true, true) }}", "- x\n- \n- y"),
        ("{{ [1, 2] | sum(start=3) }}{{ [{'a': 1}] | sum('a') }}", "61"),
        ("{{ 2 ** 3 }} {{ 2.5 | round }} {{ 2.55 | round(1, 'floor') }} {{ 155 | round(-1) }}", "8 2.0 2.5 160"),
        ("{{ [{'a': 'x'}, {'a': 'y'}] | join('-', attribute='a') }}", "x-y"),
        ("{{ [1, [2]] == [1, [2]] }}{{ [1] in [[1]] }}{{ [[3], [1]] | sort }}", "TrueTrue[[1], [3]]"),
        ("{{ [[1], [1]].count([1]) }}{{ [[1], [2]].index([2]) }}", "21"),
        ("{{ {(1, 'a'): 'k'}[(1, 'a')] }}{{ [1, 2] + [3] }}{{ 'a' * 3 }}{{ [0] * 2 }}", "k[1, 2, 3]aaa[0, 0]"),
        ("{% macro f() %}{{ caller('z') }}{% endmacro %}{% call(x) f() %}-{{ x }}{% endcall %}", "-z"),
    ],
)  # fmt: skip
def test_what_is_bounded_does_what_it_does_elsewhere(source: str, text: str) -> None:
    template = ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}" + source, "", "", [])
    assert template.render(chat(message("user", ":"))) == [f":{text}"]


@pytest.mark.parametrize("depth", [100, 200, 300, 450, 600, 2000])
def test_what_is_nested_deeply_is_shown_or_refused(depth: int) -> None:
    """The parameters of a tool are refused; arguments in a history are shown as they are."""
    nested = '{"a": ' * depth + "1" + "}" * depth
    template = TEMPLATES["hermes"]
    said = "".join(template.render(chat(message("user", "hi"), message("assistant", tool_calls=[call(1, nested)]))))
    assert len(re.findall(r'a\\?": ', said)) == depth
    with contextlib.suppress(InvalidRequestError):
        tool = pb.Tool(name="weather", parameters_json=nested)
        assert "".join(template.render(chat(message("user", "hi"), tools=[tool]))).count('"a": ') == depth


@pytest.mark.parametrize("replaced", ["m.content.replace('a', 'b', count=1)", "m.content | replace('a', 'b', count=1)"])
def test_replacing_counts(replaced: str) -> None:
    template = ChatTemplate(f"{{% for m in messages %}}{{{{ {replaced} }}}}{{% endfor %}}", "", "", [])
    assert template.render(chat(message("user", "aaa"))) == ["baa"]
