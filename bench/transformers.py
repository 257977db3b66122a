"""The transformers backend through REST beside the library alone, on one folder, in one dtype.

python -m bench.transformers [FOLDER] [--dtype bfloat16] [--streams 16] [--rounds 5] [--device cpu]

Prints one JSON line. The two take turns, in rounds: `generate_batch` of the library in this process, then as many
streams over HTTP, with keys, limits and ledger on. Both sides get the same prompts, greedy, of fixed lengths; the
library keeps its cache and its threads between rounds, as the worker does.

  tokens_per_s   medians of the rounds
  ratio          of the rounds' ratios, the median
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from bench import load
from bench.engine import Server
from bench.stack import running

NOVAI_TINY = Path("models/novai-tiny/hf")
CELLS, PAGE, BATCH = 32_768, 16, 512  # for both
GREEDY = {"temperature": 0, "ignore_eos": True}


class Library:
    """transformers alone."""

    def __init__(self, folder: Path, dtype: str, device: str) -> None:
        logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa")
        self._model = model.to(device)
        self._batching = ContinuousBatchingConfig(page_size=PAGE, num_blocks=CELLS // PAGE, max_batch_tokens=BATCH)

    def tokens_per_s(self, streams: int, first: int, max_tokens: int) -> float:
        asked = load.arguments(["--url", "http://nowhere", "--model", "m"])
        chats = [json.loads(load.body_of(asked, first + i))["messages"] for i in range(streams)]
        prompts = [
            self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False) for chat in chats
        ]
        wanted = GenerationConfig(max_new_tokens=max_tokens, do_sample=False, eos_token_id=-1)
        started = time.perf_counter()
        made = self._model.generate_batch(
            prompts, generation_config=wanted, continuous_batching_config=self._batching, persistent_manager=True
        )
        elapsed_s = time.perf_counter() - started
        return sum(len(output.generated_tokens) for output in made.values()) / elapsed_s

    def close(self) -> None:
        self._model.destroy_cached_continuous_batching_manager()


def models_yaml(folder: Path, a: argparse.Namespace) -> str:
    options = {"dtype": a.dtype, "device": a.device, "cells": CELLS, "n_batch": BATCH, "slots": a.streams}
    row = {"name": "m", "kind": "chat", "path": str(folder.resolve()), "options": options, "free": True}
    return json.dumps({"models": [row]})


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", nargs="?", type=Path, default=NOVAI_TINY)
    p.add_argument("--dtype", default="bfloat16")
    p.add_argument("--device", default="cpu")
    p.add_argument("--streams", type=int, default=16)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--max-tokens", type=int, default=128)
    a = p.parse_args()
    alone: list[float] = []
    through: list[float] = []
    library = Library(a.folder, a.dtype, a.device)
    with contextlib.closing(library), tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models.yaml"
        models.write_text(models_yaml(a.folder, a))
        with running(models=models) as stack:
            server = Server("ours", stack.url, stack.key, "m", extra=GREEDY)
            for number in range(a.rounds + 1):
                first = number * a.streams
                alone.append(library.tokens_per_s(a.streams, first, a.max_tokens))
                result = server.run(concurrency=a.streams, requests=a.streams, first=first, max_tokens=a.max_tokens)
                through.append(result["usage_tokens_per_s"])
    pairs = list(zip(alone, through, strict=True))[1:]  # the first round warms up
    print(
        json.dumps(
            {
                "bench": "transformers",
                "model": str(a.folder),
                "dtype": a.dtype,
                "device": a.device,
                "streams": a.streams,
                "generate_batch_tokens_per_s": round(statistics.median(library for library, _ in pairs), 1),
                "tokens_per_s": round(statistics.median(ours for _, ours in pairs), 1),
                "ratio": round(statistics.median(ours / library for library, ours in pairs), 3),
                "ratios": [round(ours / library, 3) for library, ours in pairs],
            }
        )
    )


if __name__ == "__main__":
    main()
