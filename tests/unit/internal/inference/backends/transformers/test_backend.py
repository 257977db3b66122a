"""The transformers backend on real models: the same answers as llama.cpp and as the library alone, whatever runs
beside them."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from gen import inference_pb2 as pb

from internal.config import ConfigError, ModelConfig
from internal.errors import WorkerError
from internal.inference.backends import load_backend
from internal.inference.backends.batching.scheduler import BATCH_STEPS
from internal.inference.backends.transformers.backend import most_positions
from tests.unit.internal.inference.backends.running import TOLD, Engine, same_but_for_ties
from tests.unit.internal.inference.backends.transformers.conftest import EXACT, NOVAI_TINY, Start, torch, transformers

ASKED = ("Hello!", "What is the capital of France?", "Count from 1 to 12.", "Tell me about rivers.")
LONG = 150  # tokens, several pages and several chunks
EXACT_ROUNDING = 1e-3  # of log probabilities
Q8_ROUNDING = 0.3  # by weights of 8 bits


def asked(text: str) -> pb.Chat:
    return pb.Chat(messages=[pb.Message(role="user", parts=[pb.Part(text=text)])])


def prompt(length: int, seed: int) -> list[int]:
    return Random(seed).choices(range(3, 6000), k=length)


def alone(folder: Path, tokens: list[int], count: int) -> list[int]:
    """The greedy continuation, by the library's own `generate`."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    given = torch.tensor([tokens])
    wanted = transformers.GenerationConfig(
        max_new_tokens=count, do_sample=False, eos_token_id=None, pad_token_id=0, suppress_tokens=[0, 2]
    )
    made: list[int] = model.generate(given, attention_mask=torch.ones_like(given), generation_config=wanted)[0].tolist()
    return made[len(tokens) :]


def pieces(engine: Engine, tokens: list[int]) -> list[bytes]:
    model = engine.backend._prompts._model  # type: ignore[union-attr]
    return [model.piece(token) for token in tokens]


@pytest.fixture(scope="module")
def exact_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of the folder, as they are, for llama.cpp."""
    sys.path.append(str(NOVAI_TINY / "recipe"))
    from exporting import export_gguf
    from gguf import GGMLQuantizationType

    path: Path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    weights = transformers.LlamaForCausalLM.from_pretrained(NOVAI_TINY / "hf", dtype=torch.float32)
    export_gguf(weights, NOVAI_TINY / "hf/tokenizer.json", path, GGMLQuantizationType.F32)
    return path


async def test_the_same_output_as_llama_cpp(tiny: Engine, starting: Start, exact_gguf: Path) -> None:
    exact = {"cache_type_k": "f32", "cache_type_v": "f32", "flash_attn": "off"}
    peer = await starting(exact_gguf, "llamacpp", **exact)
    for text in ASKED:
        mine, other = await asyncio.gather(*(x.run(asked(text), max_tokens=64, **TOLD) for x in (tiny, peer)))
        same_but_for_ties(mine, other, EXACT_ROUNDING)
        assert mine.usage.prompt_tokens == other.usage.prompt_tokens


async def test_the_shipped_files_say_the_same(tiny: Engine, starting: Start) -> None:
    peer = await starting(NOVAI_TINY / "novai-tiny.Q8_0.gguf", "llamacpp")
    for text in ASKED:
        mine, other = await asyncio.gather(*(x.run(asked(text), ignore_eos=False, **TOLD) for x in (tiny, peer)))
        same_but_for_ties(mine, other, Q8_ROUNDING)


@pytest.mark.parametrize("model", ["tiny", "windowed", "capped"])
async def test_the_same_output_as_the_library_alone_in_a_crowd(
    model: str, tiny: Engine, starting: Start, windowed: Path, capped: Path
) -> None:
    """Prompts of many lengths, computed in pieces beside each other."""
    folder = {"tiny": NOVAI_TINY / "hf", "windowed": windowed, "capped": capped}[model]
    engine = tiny if model == "tiny" else await starting(folder, n_batch=16, **EXACT)
    prompts = [prompt(length, seed) for seed, length in enumerate((1, 15, 16, 17, 40, LONG))]
    answers = await asyncio.gather(*(engine.run(tokens, max_tokens=40, **TOLD) for tokens in prompts))
    for tokens, answer in zip(prompts, answers, strict=True):
        expected = pieces(engine, alone(folder, tokens, 40))
        for entry, piece in zip(answer.logprobs(), expected, strict=True):
            if entry.token != piece:  # two were equally likely; from there on the texts are strangers
                assert entry.top[0].logprob - entry.top[1].logprob < 1e-2
                break


async def test_prefixes_are_shared_and_stay_what_they_are(tiny: Engine) -> None:
    """Whoever begins like another uses its pages, and writes to none of them."""
    shared = prompt(40, 21)  # the third page is half full
    first = await tiny.run([*shared, 5, 6], **TOLD)
    assert first.usage.cached_tokens == 0
    crowd = await asyncio.gather(*(tiny.run([*shared, 7 + i, 8], **TOLD) for i in range(4)))
    assert all(answer.usage.cached_tokens >= 40 for answer in crowd)
    again = await tiny.run([*shared, 5, 6], **TOLD)
    assert again.usage.cached_tokens == 41
    same_but_for_ties(again, first)


async def test_prefixes_of_others_are_not_found(tiny: Engine) -> None:
    shared = prompt(64, 22)
    await tiny.run(shared, cache_salt="one")
    assert (await tiny.run(shared, cache_salt="two")).usage.cached_tokens == 0
    assert (await tiny.run(shared, cache_salt="one")).usage.cached_tokens == 63


async def test_what_a_window_forgot_is_not_used_again(starting: Start, windowed: Path) -> None:
    engine = await starting(windowed, **EXACT)
    shared = prompt(64, 23)
    first = await engine.run(shared, n=2, max_tokens=8, **TOLD)
    again = await engine.run(shared, max_tokens=8, **TOLD)
    assert first.usage.cached_tokens == again.usage.cached_tokens == 0
    assert again.text() == first.text(0) == first.text(1)


async def test_a_batch_goes_on_where_it_was_paused_whatever_a_window_forgot(starting: Start, windowed: Path) -> None:
    engine = await starting(windowed, n_batch=32, **EXACT)
    expected = await engine.run(prompt(64, 24), max_tokens=4, **TOLD)
    reader = engine.submit(prompt(8, 25), max_tokens=400)
    await reader.until(lambda: reader.tokens() > 0)
    batch = await engine.run(prompt(64, 24), max_tokens=4, priority=pb.BATCH, **TOLD)
    assert reader.tokens() > 2 * BATCH_STEPS  # as long as that took
    same_but_for_ties(batch, expected)


async def test_who_gives_way_goes_on_where_it_was(starting: Start) -> None:
    """Cells for two of three: one is computed again later, and says the same."""
    small = await starting(context_length=128, cells=256, **EXACT)
    prompts = [prompt(60, seed) for seed in range(10, 13)]
    single = [await small.run(tokens, max_tokens=60, **TOLD) for tokens in prompts]
    for answer, expected in zip(
        await asyncio.gather(*(small.run(tokens, max_tokens=60, **TOLD) for tokens in prompts)), single, strict=True
    ):
        same_but_for_ties(answer, expected)
    assert small.backend._engine._scheduler.preemptions > 0  # type: ignore[union-attr]


async def test_a_seed_gives_the_same_output_in_a_crowd(tiny: Engine) -> None:
    drawn: dict[str, Any] = {"sampling": pb.Sampling(temperature=1.0, top_p=0.9, seed=7), "max_tokens": 24}
    expected = await tiny.run("Once upon a time", **drawn)
    crowd = await asyncio.gather(*(tiny.run(text, **drawn) for text in ("Once upon a time", "A", "B", "C")))
    assert crowd[0].text() == expected.text() != crowd[1].text()


async def test_a_cancelled_one_leaves_its_place(tiny: Engine) -> None:
    answers = [tiny.submit(prompt(30, seed), max_tokens=400) for seed in range(4)]
    for answer in answers:
        await answer.until(lambda answer=answer: bool(answer.deltas()))  # type: ignore[misc]
    for answer in answers:
        tiny.cancel(answer)
    assert (await tiny.run("next", max_tokens=2)).usage.completion_tokens == 2
    for answer in answers:
        assert (await answer.end()).events[-1].finished.cancelled
    assert tiny.held()[0] == 0


async def test_output_is_held_to_a_schema(tiny: Engine) -> None:
    schema = '{"type": "array", "items": {"enum": [1, 2]}, "minItems": 2, "maxItems": 2}'
    answer = await tiny.run(asked("Is it?"), constraint=pb.Constraint(json_schema=schema), ignore_eos=False)
    first, second = json.loads(answer.text())
    assert {first, second} <= {1, 2}


async def test_bfloat16_is_close(starting: Start, tiny: Engine) -> None:
    rough = await starting(device="cpu", dtype="bfloat16")
    said = [await engine.run(asked(ASKED[1]), ignore_eos=False) for engine in (rough, tiny)]
    assert said[0].text() == said[1].text()


# ---------------------------------------------------------------- what cannot work


async def fails(path: Path, error: type[Exception], said: str, **options: Any) -> None:
    with pytest.raises(error, match=said):
        config = ModelConfig(name="m", kind="chat", backend="transformers", path=str(path), options=options)
        backend = load_backend(config)
        await backend.start(lambda _events: None)


async def test_folders_that_cannot_be_served(tmp_path: Path) -> None:
    await fails(tmp_path, WorkerError, "no config.json")
    (tmp_path / "config.json").write_text("{}")
    await fails(tmp_path, WorkerError, "cannot load this model")
    (tmp_path / "config.json").write_text((NOVAI_TINY / "hf/config.json").read_text())
    await fails(tmp_path, WorkerError, "cannot load this model.*model.safetensors")
    (tmp_path / "model.safetensors").symlink_to(NOVAI_TINY / "hf/model.safetensors")
    await fails(tmp_path, WorkerError, "its tokenizer cannot be used")


async def test_quantised_weights_say_what_they_need(tmp_path: Path) -> None:
    config = json.loads((NOVAI_TINY / "hf/config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    await fails(tmp_path, WorkerError, "bitsandbytes|accelerate")


async def test_layers_that_keep_no_pages_are_refused(tmp_path: Path) -> None:
    config = transformers.MambaConfig(hidden_size=16, num_hidden_layers=1, vocab_size=64)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    await fails(tmp_path, WorkerError, "attention in all layers", attention="eager")


async def test_attention_that_would_mix_the_texts_of_a_batch_is_refused(tmp_path: Path) -> None:
    config = transformers.GPTNeoConfig(
        vocab_size=64, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    await fails(tmp_path, WorkerError, "attention of its own", attention="eager", device="cpu")


async def test_a_model_whose_first_step_fails_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    config = transformers.DeepseekV2Config(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        intermediate_size=16, first_k_dense_replace=1, q_lora_rank=8, kv_lora_rank=8, qk_rope_head_dim=4,
        qk_nope_head_dim=8, v_head_dim=8,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    await fails(tmp_path, WorkerError, "cannot run this model in batches", attention="eager", device="cpu")


SMALL = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
TWO_FACTORS = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [9.0] * 4,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize(
    "config",
    [
        transformers.LlamaConfig(**SMALL, max_position_embeddings=64, rope_parameters=DYNAMIC),
        transformers.LlamaConfig(**SMALL, max_position_embeddings=256, rope_parameters=TWO_FACTORS),
        transformers.GPT2Config(vocab_size=64, n_positions=64, n_embd=16, n_layer=1, n_head=2),
    ],
    ids=["dynamic", "two factors", "looked up"],
)
async def test_no_text_is_so_long_that_it_changes_the_others_of_its_batch(config: Any, tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    assert most_positions(model) == 64
    await fails(tmp_path, ConfigError, "`context_length`: 64 at most", context_length=65, device="cpu")
    assert most_positions(transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**SMALL))) == math.inf


async def test_options_that_cannot_work() -> None:
    folder = NOVAI_TINY / "hf"
    await fails(folder, ConfigError, "n_batch", n_batch=4, slots=8)
    await fails(folder, ConfigError, "dtype", dtype="int4")
    await fails(folder, ConfigError, "'gpu' is none", device="gpu")
    await fails(folder, ConfigError, "GPUs here", device="cuda:99")
    await fails(folder, ConfigError, "chat_template", chat_template="/nowhere", device="cpu")
    await fails(folder, WorkerError, "KV cache", cells=1 << 40, device="cpu")
