"""GGUF files: our vectors are the ones that sentence-transformers makes of the same model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import numpy as np
import pytest

from bench.make_bert_gguf import write_bert
from bench.make_gguf import Shape, byte_vocabulary, write_gguf
from internal.config import ConfigError
from internal.embedding.backends.base import Backend
from internal.errors import WorkerError
from tests.unit.internal.embedding.conftest import MODEL, loaded
from tests.unit.internal.embedding.test_transformers import TEXTS, embed, expected, folder

POOLINGS = {"mean": gguf.PoolingType.MEAN, "cls": gguf.PoolingType.CLS, "lasttoken": gguf.PoolingType.LAST}


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "decoder.gguf"
    # Weights large enough that texts differ.
    shape = Shape(dim=64, layers=2, heads=2, kv_heads=2, ff=128, context=256, type="F32", scale=0.2)
    write_gguf(path, shape, byte_vocabulary())
    return path


def test_the_default_model(minilm_gguf: Path, minilm: Backend) -> None:
    backend = loaded(minilm_gguf)
    assert backend.tokenize(TEXTS) == minilm.tokenize(TEXTS)
    assert (embed(backend) * expected(MODEL)).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("pooling", POOLINGS)
def test_poolings(pooling: str, tmp_path: Path) -> None:
    path = folder(tmp_path, "bert", {"pooling_mode": pooling}, normalize=False)
    write_bert(path, tmp_path / "named.gguf", pooling=POOLINGS[pooling])
    write_bert(path, tmp_path / "unnamed.gguf", pooling=None)
    named = loaded(tmp_path / "named.gguf", normalize=False)
    given = loaded(tmp_path / "unnamed.gguf", normalize=False, pooling=pooling.removesuffix("token"))
    assert np.allclose(embed(named), expected(path), atol=0.01)  # numbers up to 3, through float16
    assert np.array_equal(embed(given), embed(named))


@pytest.mark.parametrize("batch_tokens", [256, 8192])
def test_decoders_make_vectors_too(batch_tokens: int, decoder: Path) -> None:
    backend = loaded(decoder, pooling="last", batch_tokens=batch_tokens)
    texts = backend.tokenize([f"number {index} of some" for index in range(300)])
    together = backend.embed(texts)
    alone = np.concatenate([backend.embed([text]) for text in texts[::50]])
    assert (together[::50] * alone).sum(axis=1).min() > 0.999
    assert np.unique(together.round(3), axis=0).shape == (300, 64)  # of which 256 fit into a batch


def test_lanes_at_the_same_time(minilm_gguf: Path) -> None:
    backend = loaded(minilm_gguf, threads=3)
    assert backend.lanes == 3
    texts = backend.tokenize(TEXTS)
    with ThreadPoolExecutor(backend.lanes) as threads:
        for vectors in threads.map(backend.embed, [texts] * 6):
            assert (vectors * backend.embed(texts)).sum(axis=1).min() > 0.9999


def test_a_prompt_stands_before_texts_and_ids(minilm_gguf: Path) -> None:
    asked, plain = loaded(minilm_gguf, prompt="query: "), loaded(minilm_gguf)
    assert asked.tokenize(["hello world"]) == plain.tokenize(["query: hello world"])
    assert [asked.complete([7592, 2088])] == asked.tokenize(["hello world"])


def test_the_longest_text_is_as_long_as_the_row_says(minilm_gguf: Path) -> None:
    assert loaded(minilm_gguf, max_tokens=100).info.context_length == 100
    with pytest.raises(ConfigError, match="has 512 positions"):
        loaded(minilm_gguf, max_tokens=513)


def test_files_that_give_no_vectors_are_refused(decoder: Path, minilm_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="set `pooling`"):
        loaded(decoder)
    write_bert(MODEL, tmp_path / "reranker.gguf", pooling=gguf.PoolingType.RANK)
    with pytest.raises(WorkerError, match="a reranker"):
        loaded(tmp_path / "reranker.gguf")
    with pytest.raises(WorkerError, match="no such file"):
        loaded(tmp_path / "none.gguf")
    with pytest.raises(ConfigError, match=r"options: .*poling"):
        loaded(minilm_gguf, poling="mean")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a GGUF file nor a folder"):
        loaded(tmp_path)
