"""Writes a GGUF of a BERT encoder from its sentence-transformers folder, as llama.cpp's convert_hf_to_gguf.py does.

    python -m bench.make_bert_gguf FOLDER OUT.gguf [--type Q8_0]

For tests and benchmarks, which have no such file to download.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

# config.json → metadata
NUMBERS = {
    "max_position_embeddings": gguf.GGUFWriter.add_context_length,
    "hidden_size": gguf.GGUFWriter.add_embedding_length,
    "num_hidden_layers": gguf.GGUFWriter.add_block_count,
    "intermediate_size": gguf.GGUFWriter.add_feed_forward_length,
    "num_attention_heads": gguf.GGUFWriter.add_head_count,
    "layer_norm_eps": gguf.GGUFWriter.add_layer_norm_eps,
    "type_vocab_size": gguf.GGUFWriter.add_token_type_count,
}
SPECIAL_TOKENS = {
    "[CLS]": gguf.GGUFWriter.add_bos_token_id,
    "[SEP]": gguf.GGUFWriter.add_sep_token_id,
    "[UNK]": gguf.GGUFWriter.add_unk_token_id,
    "[PAD]": gguf.GGUFWriter.add_pad_token_id,
    "[MASK]": gguf.GGUFWriter.add_mask_token_id,
}


def write_bert(
    folder: Path, path: Path, *, pooling: gguf.PoolingType | None = gguf.PoolingType.MEAN, kind: str = "F32"
) -> None:
    """`pooling`: None leaves it out. `kind`: of the matrices, F32 or a quantisation that gguf can write."""
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(folder.name)
    for name, add in NUMBERS.items():
        add(writer, config[name])
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _write_vocabulary(writer, json.loads((folder / "tokenizer.json").read_text()))
    _write_tensors(writer, folder / "model.safetensors", config["num_hidden_layers"], kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    ids = tokenizer["model"]["vocab"]
    special = {row["content"] for row in tokenizer["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token if token in special else _phantom(token) for token in tokens])
    kinds = (gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens)
    writer.add_token_types(list(kinds))
    for token, add in SPECIAL_TOKENS.items():
        add(writer, ids[token])


def _phantom(token: str) -> str:
    """llama.cpp marks where words begin, BERT where they go on."""
    return token[2:] if token.startswith("##") else "\u2581" + token


def _write_tensors(writer: gguf.GGUFWriter, path: Path, layers: int, kind: str) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    for name, tensor in load_file(path).items():
        found = names.get_name(name.removeprefix("bert."), try_suffixes=(".weight", ".bias"))
        if found is None or "pooler" in name:
            continue
        values = tensor.astype(np.float32)
        if kind == "F32" or values.ndim == 1 or "embeddings." in name:
            writer.add_tensor(found, values)
        else:
            quantised = getattr(gguf.GGMLQuantizationType, kind)
            writer.add_tensor(found, gguf.quants.quantize(values, quantised), raw_dtype=quantised)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("path", type=Path)
    parser.add_argument("--type", default="F32")
    options = parser.parse_args()
    write_bert(options.folder, options.path, kind=options.type)


if __name__ == "__main__":
    main()
