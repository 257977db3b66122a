"""The two local engines on a GPU: the same answers as on the CPU, and how fast (`pytest -m gpu`)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from gen import inference_pb2 as pb

from internal.config import ModelConfig
from internal.inference.backends import load_backend
from tests.unit.internal.inference.backends.running import TOLD, Engine, same_but_for_ties

NOVAI_TINY = Path(__file__).parents[5] / "models/novai-tiny"
# backend → its files, what puts it on the GPU, and what on the CPU
BACKENDS: dict[str, tuple[Path, dict[str, Any], dict[str, Any]]] = {
    "llamacpp": (NOVAI_TINY / "novai-tiny.Q8_0.gguf", {"n_gpu_layers": -1}, {"n_gpu_layers": 0}),
    "transformers": (NOVAI_TINY / "hf", {"device": "cuda"}, {"device": "cpu", "dtype": "float32"}),
}
ROUNDING = 0.3  # of log probabilities, between kernels of other precision
TOKENS = 128


def no_gpu(backend: str) -> str:
    """Why the backend has none here; empty when it has one."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        return "no CUDA device"
    if backend == "llamacpp":
        from internal.llamacpp import llama

        return "" if llama.llama_supports_gpu_offload() else "llama-cpp-python was built without CUDA"
    return ""


async def started(backend: str, path: Path, options: dict[str, Any]) -> Engine:
    given = {"context_length": 1024, "slots": 64} | options
    engine = Engine(load_backend(ModelConfig(name="m", kind="chat", backend=backend, path=str(path), options=given)))
    await engine.backend.start(engine.publish)
    return engine


async def tokens_per_s(engine: Engine, streams: int) -> float:
    prompts = [Random(streams * 100 + i).choices(range(3, 4000), k=64) for i in range(streams)]
    began = time.perf_counter()
    answers = await asyncio.gather(*(engine.run(tokens, max_tokens=TOKENS) for tokens in prompts))
    return sum(answer.usage.completion_tokens for answer in answers) / (time.perf_counter() - began)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_gpu(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := no_gpu(backend):
        pytest.skip(reason)
    path, on_gpu, on_cpu = BACKENDS[backend]
    gpu, cpu = await started(backend, path, on_gpu), await started(backend, path, on_cpu)
    try:
        assert gpu.backend.info.device != "cpu"
        chat = pb.Chat(messages=[pb.Message(role="user", parts=[pb.Part(text="What is the capital of France?")])])
        told = TOLD | {"ignore_eos": False}
        same_but_for_ties(await gpu.run(chat, **told), await cpu.run(chat, **told), ROUNDING)
        await tokens_per_s(gpu, 64)  # warm
        speeds = {streams: await tokens_per_s(gpu, streams) for streams in (1, 4, 16, 64)}
    finally:
        await gpu.backend.aclose()
        await cpu.backend.aclose()
    with capsys.disabled():
        said = ", ".join(f"{streams} streams {speed:.0f}" for streams, speed in speeds.items())
        print(f"\n{backend} on {gpu.backend.info.device}, tokens/s: {said}")
