"""Vocabularies of other families than the demo model's: text in pieces of bytes, and what stands around a prompt."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import pytest
from gen import inference_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching import known_texts
from internal.inference.backends.batching.constraints import Constraints
from internal.inference.backends.batching.known_texts import KnownTexts
from internal.inference.backends.transformers.tokenizer import Tokenizer
from internal.inference.chat_template import ChatTemplate
from tests.unit.internal.inference.backends.transformers.conftest import transformers

BYTES = 3  # the first of them, behind <unk>, <s>, </s>
TEXT = " ab ab é\n👋"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Llama 2 has it: a space is a character of the alphabet, what is unknown are bytes, BOS comes first."""
    from tokenizers import AddedToken, decoders, models, normalizers, processors
    from tokenizers import Tokenizer as Fast

    special = ("<unk>", "<s>", "</s>")
    alphabet = [*special, *(f"<0x{i:02X}>" for i in range(256)), "▁", "a", "b", "▁a", "ab", "▁ab"]
    vocabulary = {text: i for i, text in enumerate(alphabet)}
    merges = [("▁", "a"), ("a", "b"), ("▁", "ab")]
    made = Fast(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens([AddedToken(text, special=True) for text in special])
    made.add_tokens([AddedToken("<tool_call>", normalized=False)])
    made.enable_truncation(4)
    made.enable_padding(length=8, pad_token="<unk>")
    path: Path = tmp_path_factory.mktemp("tokenizers") / "llama"
    path.mkdir()
    made.save(str(path / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = named | {"tokenizer_class": "PreTrainedTokenizerFast"}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    (path / "chat_template.jinja").write_text("{{ bos_token }}{{ messages[0].content }}")
    return path


def tokenizer_of(folder: Path, vocabulary_size: int) -> Tokenizer:
    config = transformers.LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=[2, 5, 280],
        bos_token_id=1,
    )
    return Tokenizer(str(folder), transformers.LlamaForCausalLM(config))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return tokenizer_of(folder, 280)  # a few more than there are tokens


def test_text_comes_back_from_its_pieces(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.tokenize(TEXT, add_special=False)
    assert b"".join(map(tokenizer.piece, tokens)) == TEXT.encode()
    assert tokenizer.piece(BYTES + 0xF0) == b"\xf0"


def test_a_text_is_neither_cut_nor_filled_up(tokenizer: Tokenizer) -> None:
    """Though the folder was saved by whoever trained it with texts of one length."""
    assert len(tokenizer.tokenize("a", add_special=False)) == 1
    assert len(tokenizer.tokenize("\n" * 50, add_special=False)) == 50


def test_bos_stands_before_a_prompt_once(tokenizer: Tokenizer) -> None:
    bare = tokenizer.tokenize("ab", add_special=False)
    assert tokenizer.tokenize("ab", add_special=True) == [1, *bare]
    assert tokenizer.tokenize("<s>ab", add_special=True) == [1, *bare]
    assert (tokenizer.bos, tokenizer.bos_text, tokenizer.eos_text) == (1, "<s>", "</s>")


def test_control_tokens_have_no_text_and_others_do(tokenizer: Tokenizer) -> None:
    call = tokenizer.special_ids["<tool_call>"]
    assert tokenizer.special_ids == {"<unk>": 0, "<s>": 1, "</s>": 2, "<tool_call>": call}
    assert [tokenizer.piece(token) for token in (1, call)] == [b"", b"<tool_call>"]
    assert tokenizer.special_piece(1) == b"<s>"


def test_what_the_model_has_beyond_its_vocabulary_says_nothing(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocabulary_size == 280
    assert tokenizer.piece(279) == tokenizer.special_piece(279) == b""


def test_what_the_vocabulary_has_beyond_the_model_is_no_token(folder: Path) -> None:
    """There are no weights for it: reading it would break the step of all."""
    tokenizer = tokenizer_of(folder, 265)
    assert tokenizer.tokenize("a<tool_call>a", add_special=False) == 2 * tokenizer.tokenize("a", add_special=False)
    template = ChatTemplate("<tool_call>{{ messages[0].content }}", "", "", [])
    assert Constraints(tokenizer, template).grammar(pb.GenerateRequest(constraint=pb.Constraint(regex="a")), False)


def test_ends_and_template_come_from_the_folder(tokenizer: Tokenizer) -> None:
    """But for an end that the model has no weights for: whoever forbids it would break the step of all."""
    assert tokenizer.end_ids == {2, 5}
    assert tokenizer.chat_template == "{{ bos_token }}{{ messages[0].content }}"


words = st.sampled_from(["<s>", "</s>", "<tool_call>", "<tool", "_call>", "a", "ab", " ", "é", "<unk>", "\n", "x" * 5])


@given(st.lists(words).map("".join), st.booleans())
def test_texts_that_are_cut_are_as_if_whole(tokenizer: Tokenizer, text: str, add_special: bool) -> None:
    with mock.patch.object(known_texts, "LEAST_CHARACTERS", 3):
        texts = KnownTexts(tokenizer)
        for _ in range(2):
            found = texts.tokenize(text, add_special=add_special, salt="")
            assert found == tokenizer.tokenize(text, add_special=add_special)


def test_texts_of_this_family_are_cut(tokenizer: Tokenizer) -> None:
    turns = ["a" * 300, "</s>" + "b" * 300, "<tool_call>" + "a" * 300]
    assert list(KnownTexts(tokenizer).parts("".join(turns))) == turns


def test_half_of_a_surrogate_pair_is_a_character_that_nobody_knows(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize("a\ud83db", add_special=True) == tokenizer.tokenize("a?b", add_special=True)
