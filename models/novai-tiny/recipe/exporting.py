"""Writes the trained weights as a transformers folder (fp16) and as one GGUF file (Q8_0)."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from architecture import CONFIG, HEAD_DIM, HEADS, ROPE_BASE
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from rendering import CHAT_TEMPLATE, END, END_OF_TEXT, SPECIAL_TOKENS
from tokenization import LLAMA_CPP_PRE
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

NAME = "novai-tiny"
FILE_TYPES = {
    GGMLQuantizationType.Q8_0: LlamaFileType.MOSTLY_Q8_0,
    GGMLQuantizationType.F32: LlamaFileType.ALL_F32,
}
_TENSORS = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
_WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}


def load_weights(weights: Path) -> LlamaForCausalLM:
    model = LlamaForCausalLM(CONFIG)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.train(False)
    return model


def export_transformers(model: LlamaForCausalLM, tokenizer_path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(CONFIG)
    half.load_state_dict(model.state_dict())
    half.to(torch.float16)
    half.config.use_cache = True
    half.generation_config = GenerationConfig(
        eos_token_id=[2, 0], pad_token_id=0, do_sample=False, max_new_tokens=512, use_cache=True
    )
    half.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_path),
        eos_token=END,
        pad_token=END_OF_TEXT,
        model_max_length=CONFIG.max_position_embeddings,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    # The name that every version of transformers knows.
    config_path = folder / "tokenizer_config.json"
    config = json.loads(config_path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config_path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _rope_order(weight: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """llama.cpp rotates neighbouring pairs, transformers the two halves of a head: rows change places."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _gguf_tensors(model: LlamaForCausalLM) -> dict[str, np.ndarray[Any, Any]]:
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for name, tensor in model.state_dict().items():
        weight = tensor.float().numpy()
        if name in _WHOLE:
            tensors[_WHOLE[name]] = weight
        elif name.startswith("model.layers."):
            _, _, layer, part = name.split(".", 3)
            if part == "self_attn.q_proj.weight":
                weight = _rope_order(weight, HEADS)
            if part == "self_attn.k_proj.weight":
                weight = _rope_order(weight, HEADS)
            tensors[f"blk.{layer}.{_TENSORS[part]}"] = weight
    return tensors


def export_gguf(
    model: LlamaForCausalLM, tokenizer_path: Path, path: Path, kind: GGMLQuantizationType = GGMLQuantizationType.Q8_0
) -> None:
    """Matrices in `kind`, norms in fp32. The output matrix is the embedding and therefore absent."""
    writer = GGUFWriter(str(path), "llama")
    writer.add_name(NAME)
    writer.add_license("apache-2.0")
    writer.add_description("The demo chat model of NovAI, trained from scratch on generated conversations")
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_context_length(CONFIG.max_position_embeddings)
    writer.add_embedding_length(CONFIG.hidden_size)
    writer.add_block_count(CONFIG.num_hidden_layers)
    writer.add_feed_forward_length(CONFIG.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(CONFIG.rms_norm_eps)
    writer.add_vocab_size(CONFIG.vocab_size)
    _add_tokenizer(writer, json.loads(tokenizer_path.read_text()))
    for name, weight in _gguf_tensors(model).items():
        if weight.ndim == 1:
            writer.add_tensor(name, weight.astype(np.float32))
        else:
            writer.add_tensor(name, gguf.quants.quantize(weight, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: GGUFWriter, tokenizer: dict[str, Any]) -> None:
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    assert [vocabulary[token] for token in tokens] == list(range(CONFIG.vocab_size))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(LLAMA_CPP_PRE)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in SPECIAL_TOKENS else TokenType.NORMAL for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
