"""Sentence-transformers folders: our vectors are the ones that the library itself makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

from internal.config import ConfigError
from internal.embedding.backends.base import Backend, Vectors
from internal.embedding.backends.transformers.folder import read_folder
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
    "distilbert": lambda: DistilBertModel(DistilBertConfig(n_layers=2, n_heads=2, dim=32, hidden_dim=64)),
}


def folder(path: Path, maker: str, pooling: dict[str, Any], normalize: bool = True, lower_case: bool = False) -> Path:
    """A tiny random model in the layout of sentence-transformers."""
    torch.manual_seed(1)
    MAKERS[maker]().save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(MODEL / name, path / name)
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    places = ["", "1_Pooling", "2_Normalize"]
    rows = [
        {"idx": index, "name": str(index), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, place) in enumerate(zip(kinds, places, strict=False))
    ]
    write(path / "modules.json", rows)
    write(path / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": lower_case})
    write(path / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pooling})
    return path


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def expected(path: Path) -> Vectors:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
    model.max_seq_length = 512
    vectors: Vectors = model.encode(TEXTS, show_progress_bar=False)
    return vectors


def embed(backend: Backend) -> Vectors:
    return backend.embed(backend.tokenize(TEXTS))


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.99999), ("bfloat16", 0.9995), ("auto", 0.9995)])
def test_the_default_model(dtype: str, least: float) -> None:
    cosines = (embed(loaded(dtype=dtype)) * expected(MODEL)).sum(axis=1)
    assert cosines.min() > least


@pytest.mark.parametrize("maker", MAKERS)
def test_architectures(maker: str, tmp_path: Path) -> None:
    path = folder(tmp_path, maker, {"pooling_mode_mean_tokens": True})
    config = json.loads((path / "config.json").read_text())
    assert can_pack(read_folder(path)) is (maker in {"bert", "bert-relu", "roberta"})
    assert np.allclose(embed(loaded(path, dtype="float32")), expected(path), atol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    "flag", ["pooling_mode_mean_tokens", "pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_lasttoken"]
)
def test_poolings(flag: str, normalize: bool, tmp_path: Path) -> None:
    flags = {"pooling_mode_mean_tokens": False, flag: True}
    path = folder(tmp_path, "bert", flags, normalize)
    assert np.allclose(embed(loaded(path, dtype="float32")), expected(path), atol=1e-5)


def test_the_models_own_code_gives_the_same() -> None:
    assert np.allclose(embed(loaded(packed=False)), embed(loaded(dtype="float32")), atol=1e-5)


def test_lower_case(tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode_mean_tokens": True}, lower_case=True)
    tokenizer = json.loads((path / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    write(path / "tokenizer.json", tokenizer)
    assert loaded(path).tokenize(["HELLO World"]) == [[101, 7592, 2088, 102]]


def test_limits_and_facts(tmp_path: Path, minilm: Backend) -> None:
    assert minilm.info.context_length == 512
    assert loaded(max_tokens=256).info.context_length == 256
    roberta = folder(tmp_path, "roberta", {"pooling_mode_mean_tokens": True})
    assert loaded(roberta).info.context_length == 512
    assert loaded(roberta).info.dimensions == 32


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


def test_folders_that_we_would_compute_wrongly_are_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True})
    with pytest.raises(ConfigError, match="pooling must be exactly one"):
        loaded(path)
    write(path / "1_Pooling" / "config.json", {"pooling_mode_weightedmean_tokens": True})
    with pytest.raises(ConfigError, match="pooling must be exactly one"):
        loaded(path)
    write(path / "modules.json", [{"path": "", "type": "x.Transformer"}, {"path": "2", "type": "x.Dense"}])
    with pytest.raises(ConfigError, match="Dense"):
        loaded(path)
    (path / "modules.json").unlink()
    (path / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"tokenizer\.json"):
        loaded(path)


def test_rows_that_name_what_is_not_there_are_refused(tmp_path: Path) -> None:
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
