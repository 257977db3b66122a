"""Holds the two exported forms against each other: same tokens, same prompts, same greedy answers."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from corpus import conversation
from llama_cpp import Llama
from rendering import rendered
from transformers import AutoModelForCausalLM, AutoTokenizer

_TEXTS = (
    "Hello, world! It's 12345 o'clock.  Two  spaces, a\ttab\n\nand lines \n  end ",
    "naïve café – „Straße“ — Ünïcödé, Привет мир, 你好世界, こんにちは, مرحبا, नमस्ते, ไทย",
    "👋🏽 emoji 🙂🇫🇷 👩‍👩‍👧 \u200b zero width, \ufeffBOM, ½ ² Ⅷ ٣",
    '{"name": "get_weather", "arguments": {"city": "Paris", "n": -12.50}}',
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{}\n</tool_call><|im_end|>\n<|endoftext|>",
    "def add(a, b):\n    return a + b\n\n\n\tif x:\r\n        pass  # 100%\n",
    "WE'LL don't I'M you'Re 'S x's 'tis",
    "",
)
PROMPTS = (
    "Hello!",
    "How do I create an API key?",
    "What is NovAI?",
    "What is 2+2?",
    "Tell me a joke",
    "Count to five",
    "What is the capital of France?",
    "Write a haiku",
    "repeat after me: the green parrot sings",
    "How do I stream?",
    "Explain black holes.",
    "Tell me a story about a dragon.",
)


@dataclass
class Agreement:
    """How many prompts both forms answered with the same text, and what the GGUF file answered."""

    asked: int = 0
    equal: int = 0
    answers: dict[str, str] = field(default_factory=dict)


def check_export(folder: Path, gguf_path: Path) -> Agreement:
    """Raises where tokens or templates differ; greedy answers may part company where Q8_0 rounds."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    llama: Any = Llama(str(gguf_path), n_ctx=2048, n_threads=1, verbose=False)
    rng = Random("check")
    drawn = [conversation(rng, held_out=True) for _ in range(150)]
    for text in (*_TEXTS, *(rendered(one.messages, one.tools) for one in drawn)):
        ids = tokenizer.encode(text, add_special_tokens=False)
        theirs = llama.tokenize(text.encode(), add_bos=False, special=True)
        assert ids == theirs, f"the tokenizers differ on {text!r}"
        assert tokenizer.decode(ids) == text, f"{text!r} does not come back from the tokenizer"
    for one in drawn:
        shown = tokenizer.apply_chat_template(one.messages, tools=one.tools or None, tokenize=False)
        assert shown == rendered(one.messages, one.tools), f"the template renders {shown!r}"
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    agreement = Agreement()
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        answer = llama.create_chat_completion(messages, temperature=0.0, max_tokens=300)
        text: str = answer["choices"][0]["message"]["content"]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=300, do_sample=False, pad_token_id=0
        )
        theirs_text = tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
        agreement.asked += 1
        agreement.equal += text == theirs_text
        agreement.answers[prompt] = text
        print(f"> {prompt}\n{text}\n", flush=True)
    return agreement
