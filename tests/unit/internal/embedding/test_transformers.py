"""Sentence-transformers folders: our vectors are the ones that the library itself makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers.sentence_transformer.modules import Dense
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    LlamaConfig,
    LlamaModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from internal.config import ConfigError
from internal.embedding.backends.base import Backend, Vectors, unit
from internal.embedding.backends.transformers.folder import POOLINGS, read_folder
from internal.embedding.backends.transformers.packed import PackedBert, can_pack
from tests.unit.internal.embedding.conftest import MODEL, loaded

TEXTS = [
    "hello",
    ".",
    "The quick brown fox jumps over the lazy dog.",
    "SELECT * FROM users WHERE id = 42;",
    "Привет, как дела? 你好 🙂",
    "a rather long text that goes on and on " * 12,
    "hello",
]

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 30522}
BERT = {**SIZES, "hidden_size": 32, "intermediate_size": 64}
MAKERS: dict[str, Any] = {
    "bert": lambda: BertModel(BertConfig(**BERT)),
    "bert-relu": lambda: BertModel(BertConfig(**BERT, hidden_act="relu")),
    "bert-gelu_new": lambda: BertModel(BertConfig(**BERT, hidden_act="gelu_new")),
    "roberta": lambda: RobertaModel(RobertaConfig(**BERT, max_position_embeddings=514, pad_token_id=1)),
    "mpnet": lambda: MPNetModel(MPNetConfig(**BERT, max_position_embeddings=514)),
    "llama": lambda: LlamaModel(LlamaConfig(**BERT, num_key_value_heads=1)),
    "t5": lambda: T5EncoderModel(T5Config(vocab_size=30522, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)),
    "distilbert": lambda: DistilBertModel(DistilBertConfig(n_layers=2, n_heads=2, dim=32, hidden_dim=64)),
}


def folder(
    path: Path, maker: str, pooling: dict[str, Any], *behind: str, normalize: bool = True, lower_case: bool = False
) -> Path:
    """A tiny random model in the layout of sentence-transformers. `behind`: modules after the pooling."""
    torch.manual_seed(1)
    MAKERS[maker]().save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(MODEL / name, path / name)
    kinds = ["Transformer", "Pooling", *behind, *(["Normalize"] if normalize else [])]
    rows = [
        {"path": f"{index}_{kind}" if index else "", "name": str(index), "type": f"sentence_transformers.models.{kind}"}
        for index, kind in enumerate(kinds)
    ]
    write(path / "modules.json", rows)
    write(path / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": lower_case})
    write(path / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pooling})
    return path


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def expected(path: Path, **more: Any) -> Vectors:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
    model.max_seq_length = 512
    vectors: Vectors = model.encode(TEXTS, show_progress_bar=False, **more)
    return vectors


def embed(backend: Backend) -> Vectors:
    return backend.embed(backend.tokenize(TEXTS))


@pytest.mark.parametrize(
    ("dtype", "least"), [("float32", 0.99999), ("int16", 0.9999), ("bfloat16", 0.9995), ("auto", 0.9995)]
)
def test_the_default_model(dtype: str, least: float) -> None:
    cosines = (embed(loaded(dtype=dtype)) * expected(MODEL)).sum(axis=1)
    assert cosines.min() > least


@pytest.mark.parametrize("maker", MAKERS)
def test_architectures(maker: str, tmp_path: Path) -> None:
    path = folder(tmp_path, maker, {"pooling_mode": "lasttoken" if maker == "llama" else "mean"})
    assert can_pack(read_folder(path)) is (maker in {"bert", "bert-relu", "roberta"})
    assert np.allclose(embed(loaded(path, dtype="float32")), expected(path), atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS.values())
def test_poolings(pooling: str, tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": pooling}, normalize=False)
    assert np.allclose(embed(loaded(path, dtype="float32")), expected(path), atol=1e-5)


def test_poolings_of_older_folders_and_several_at_once(tmp_path: Path) -> None:
    flags = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    path = folder(tmp_path, "bert", flags)
    backend = loaded(path, dtype="float32")
    assert backend.info.dimensions == 64
    assert np.allclose(embed(backend), expected(path), atol=1e-5)


def test_layers_behind_the_pooling(tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": "mean"}, "Dense")
    (path / "2_Dense").mkdir()
    Dense(32, 16).save(str(path / "2_Dense"))
    assert loaded(path).info.dimensions == 16
    assert np.allclose(embed(loaded(path, dtype="float32")), expected(path), atol=1e-5)


@pytest.mark.parametrize("include_prompt", [True, False])
def test_prompts(include_prompt: bool, tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": "mean", "include_prompt": include_prompt})
    prompts = {"query": "Represent this query: ", "document": ""}
    write(path / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": "query"})
    asked, plain = loaded(path, dtype="float32"), loaded(path, dtype="float32", prompt_name="document")
    assert np.allclose(embed(asked), expected(path), atol=1e-5)
    assert np.allclose(embed(plain), expected(path, prompt_name="document"), atol=1e-5)
    (text,) = asked.tokenize(["hello world"])
    for ids in ([7592, 2088], [101, 7592, 2088, 102], text):
        assert asked.complete(ids) == text
    with pytest.raises(ConfigError, match=r"no prompt 'passage'\. There are: query, document"):
        loaded(path, prompt_name="passage")


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_as_short_as_the_folder_says(normalize: bool, tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": "mean"}, normalize=normalize)
    write(path / "config_sentence_transformers.json", {"truncate_dim": 8})
    ours, library = embed(loaded(path, dtype="float32")), expected(path)
    assert ours.shape == library.shape == (len(TEXTS), 8)
    assert np.allclose(unit(ours), unit(library), atol=1e-5)
    if normalize:
        assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.99999), ("int16", 0.9999), ("bfloat16", 0.999)])
def test_the_library_gives_the_same(dtype: str, least: float) -> None:
    assert (embed(loaded(packed=False, dtype=dtype)) * embed(loaded(dtype="float32"))).sum(axis=1).min() > least


@pytest.mark.parametrize("maker", ["llama", "t5", "distilbert"])
def test_the_library_multiplies_in_integers(maker: str, tmp_path: Path) -> None:
    path = folder(tmp_path, maker, {"pooling_mode": "mean"})
    found, exact = embed(loaded(path, dtype="int16")), embed(loaded(path, dtype="float32"))
    assert (found * exact).sum(axis=1).min() > 0.9999
    assert not np.allclose(found, exact, atol=1e-7)  # it did


def test_a_model_that_integers_do_not_suit_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder(tmp_path, "distilbert", {"pooling_mode": "mean"})
    weights = load_file(path / "model.safetensors")
    for name, weight in weights.items():
        if "sa_layer_norm" in name:
            weight[0] = 0
        elif name.endswith("lin1.weight"):
            weight.mul_(50)
            weight[:, 0] = 1e6  # of what is nothing, but beside it 12 bits show no other weight
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    found, exact = embed(loaded(path, dtype="int16")), embed(loaded(path, dtype="float32"))
    assert "integers change its vectors" in caplog.text
    assert np.array_equal(found, exact)


def test_lower_case(tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode_mean_tokens": True}, lower_case=True)
    tokenizer = json.loads((path / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    write(path / "tokenizer.json", tokenizer)
    assert loaded(path).tokenize(["HELLO World"]) == [[101, 7592, 2088, 102]]


def test_limits_and_facts(tmp_path: Path, minilm: Backend) -> None:
    assert minilm.info.context_length == 512
    assert loaded(max_tokens=256).info.context_length == 256
    with pytest.raises(ConfigError, match="the model has 512 positions"):
        loaded(max_tokens=513)
    roberta = folder(tmp_path, "roberta", {"pooling_mode_mean_tokens": True})
    assert loaded(roberta).info.context_length == 512
    assert loaded(roberta).info.dimensions == 32


@pytest.mark.parametrize("limit", [{}, {"model_max_length": None}], ids=["absent", "null"])
@pytest.mark.parametrize("maker", ["roberta", "mpnet"])
def test_the_longest_text_has_a_position_for_every_token(maker: str, limit: dict[str, None], tmp_path: Path) -> None:
    """Though the tokenizer names no limit."""
    path = folder(tmp_path, maker, {"pooling_mode_mean_tokens": True})
    settings = json.loads((path / "tokenizer_config.json").read_text())
    settings.pop("model_max_length", None)
    write(path / "tokenizer_config.json", settings | limit)
    backend = loaded(path)
    assert backend.info.context_length == 512
    assert backend.embed([[5] * 512]).shape == (1, 32)


@pytest.mark.parametrize("threads", [1, 2, 3, 8, 16])
def test_lanes_share_out_the_threads(threads: int) -> None:
    from internal.embedding.backends.lanes import split_threads

    lanes, each = split_threads(threads)
    assert lanes * each <= threads
    assert lanes * each > threads / 2


def test_the_import_of_transformers_is_not_paid_for() -> None:
    script = (
        "import sys; from pathlib import Path; from tests.unit.internal.embedding.conftest import loaded;"
        f"loaded(Path({str(MODEL)!r})); assert 'transformers' not in sys.modules"
    )
    root = Path(__file__).parents[4]
    subprocess.run([sys.executable, "-c", script], check=True, cwd=root, env=dict(os.environ), timeout=60)


Breaker = Callable[[Path], Any]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda path: write(path / "1_Pooling/config.json", {"pooling_mode": "median"}), "unknown pooling median"),
        (
            lambda path: write(path / "1_Pooling/config.json", {"pooling_mode_x": True}),
            "unknown pooling pooling_mode_x",
        ),
        (lambda path: write(path / "modules.json", modules("Transformer", "Pooling", "LSTM")), r"models\.LSTM"),
        (lambda path: write(path / "modules.json", modules("Pooling")), "must begin with Transformer and Pooling"),
        (lambda path: write(path / "modules.json", [{"path": "", "type": "theirs.Transformer"}]), "theirs.Transformer"),
        (lambda path: (path / "tokenizer.json").unlink(), r"tokenizer\.json"),
        (lambda path: change(path / "config.json", auto_map={"AutoModel": "theirs.Model"}), "code of its own"),
        (lambda path: change(path / "config.json", model_type="nobody-s"), "cannot load this folder: .*nobody-s"),
    ],
)
def test_folders_that_we_would_compute_wrongly_are_refused(broken: Breaker, reason: str, tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": "mean"})
    broken(path)
    with pytest.raises(ConfigError, match=reason):
        loaded(path)


def modules(*kinds: str) -> list[dict[str, str]]:
    return [{"path": str(index), "type": f"sentence_transformers.models.{kind}"} for index, kind in enumerate(kinds)]


def change(path: Path, **values: Any) -> None:
    write(path, json.loads(path.read_text()) | values)


def test_rows_that_name_what_is_not_there_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {})
    with pytest.raises(ConfigError, match="sentence-transformers folder"):
        loaded(tmp_path)
    with pytest.raises(ConfigError, match="threds"):
        loaded(threds=2)


def test_packing_groups_texts_of_one_length() -> None:
    config = json.loads((MODEL / "config.json").read_text())
    encoder = PackedBert(MODEL, config, 0, "cpu", torch.float32)
    texts = [[101, 7592, 102], [101, 2088, 102], [101, 7592, 2088, 102]]
    with torch.inference_mode():
        together = encoder(texts)
        apart = torch.cat([encoder([text]) for text in texts])
    assert together.shape == (10, 384)
    assert torch.allclose(together, apart, atol=1e-5)
