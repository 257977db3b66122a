"""Writes a GGUF of Llama architecture with random weights: time per token does not depend on what the weights say.

    python -m bench.make_gguf OUT.gguf --dim 384 --layers 6 --heads 6 --kv-heads 2 --ff 1024

The two sizes that the bars speak of:
    30M   --dim 384 --layers 6  --heads 6  --kv-heads 2 --ff 1024
    0.5B  --dim 896 --layers 24 --heads 14 --kv-heads 2 --ff 4864

The answers are noise: measure with a fixed number of tokens and `ignore_eos`.
"""

from __future__ import annotations

import argparse
import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
BOS, EOS = 0, 2
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TRAINING_FILES = 3000


@dataclass(frozen=True)
class Shape:
    dim: int = 384
    layers: int = 6
    heads: int = 6
    kv_heads: int = 2
    ff: int = 1024
    context: int = 8192
    type: str = "Q8_0"  # F32, or a quantisation that gguf can write
    scale: float = 0.02  # of the weights: the larger, the more every token says about the next ones
    head_length: int = 0  # numbers of a head; 0: its part of `dim`

    @property
    def head(self) -> int:
        return self.head_length or self.dim // self.heads


@dataclass(frozen=True)
class Vocabulary:
    """Byte-level BPE: every text can be written, whatever the merges."""

    tokens: list[str]
    merges: list[str]


def trained_vocabulary(size: int, cache: Path) -> Vocabulary:
    """Trained once on the standard library's own source, kept in `cache`."""
    if not cache.exists():
        _train(size, cache)
    model = json.loads(cache.read_text())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return Vocabulary(tokens, [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])


def byte_vocabulary() -> Vocabulary:
    """The special tokens, the 256 bytes, and merges of pairs of small letters. Needs no training."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [(a, b) for a in letters for b in "aeiou"]
    return Vocabulary([*SPECIAL_TOKENS, *_byte_alphabet(), *(a + b for a, b in pairs)], [f"{a} {b}" for a, b in pairs])


def write_gguf(
    path: Path, shape: Shape, vocabulary: Vocabulary, *, chat_template: str = CHAT_TEMPLATE, seed: int = 0
) -> None:
    """Writes the model to `path`. An empty template leaves the model without one."""
    writer = gguf.GGUFWriter(path, "llama")
    _write_metadata(writer, path.name, shape)
    _write_vocabulary(writer, vocabulary)
    if chat_template:
        writer.add_chat_template(chat_template)
    _write_tensors(writer, shape, len(vocabulary.tokens), np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_metadata(writer: gguf.GGUFWriter, name: str, shape: Shape) -> None:
    writer.add_name(name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head)
    if shape.head_length:
        writer.add_key_length(shape.head_length)
        writer.add_value_length(shape.head_length)
    writer.add_rope_freq_base(10000.0)


def _write_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types([control if token in SPECIAL_TOKENS else normal for token in vocabulary.tokens])
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(False)


def _write_tensors(writer: gguf.GGUFWriter, shape: Shape, vocabulary_size: int, rng: np.random.Generator) -> None:
    def matrix(name: str, rows: int, columns: int) -> None:
        values = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(shape.scale)
        if shape.type == "F32":
            writer.add_tensor(name, values)
        else:
            kind = getattr(gguf.GGMLQuantizationType, shape.type)
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def norm(name: str) -> None:
        writer.add_tensor(name, np.ones(shape.dim, np.float32))

    q, kv = shape.heads * shape.head, shape.kv_heads * shape.head
    matrix("token_embd.weight", vocabulary_size, shape.dim)
    norm("output_norm.weight")
    matrix("output.weight", vocabulary_size, shape.dim)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        norm(block + "ffn_norm.weight")
        matrix(block + "attn_q.weight", q, shape.dim)
        matrix(block + "attn_k.weight", kv, shape.dim)
        matrix(block + "attn_v.weight", kv, shape.dim)
        matrix(block + "attn_output.weight", shape.dim, q)
        matrix(block + "ffn_gate.weight", shape.ff, shape.dim)
        matrix(block + "ffn_up.weight", shape.ff, shape.dim)
        matrix(block + "ffn_down.weight", shape.dim, shape.ff)


def _byte_alphabet() -> list[str]:
    """The characters by which byte-level BPE writes the bytes 0 to 255."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def _train(size: int, cache: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    sources = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))[:TRAINING_FILES]
    texts = (path.read_text("utf-8", "ignore") for path in sources if "test" not in str(path))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(cache))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vocab", type=int, default=32000)
    for name, default in vars(Shape()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    wanted = parser.parse_args()
    shape = Shape(**{name: getattr(wanted, name) for name in vars(Shape())})
    vocabulary = trained_vocabulary(wanted.vocab, wanted.out.parent / f"bpe-{wanted.vocab}.json")
    write_gguf(wanted.out, shape, vocabulary)
    print(wanted.out, round(wanted.out.stat().st_size / 1e6, 1), "MB")


if __name__ == "__main__":
    main()
