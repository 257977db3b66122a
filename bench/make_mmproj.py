"""Writes a projector (mmproj) with random weights: the eyes for a model of `bench.make_gguf`.

    python -m bench.make_mmproj OUT.gguf --embedding 384

`--embedding` is the model's own dimension. Of LLaVA's kind (`mlp`), or of Gemma's (`gemma3`), whose tokens look at
those behind them. What a picture's tokens say is noise, but of the same picture the same, and of another one another.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

SCALE = 0.3  # of the weights: large enough that pictures which differ by eye give answers that differ
MERGED = 2  # patches of a side that Gemma's projector makes one token of
MEAN = STD = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Eye:
    embedding: int = 384  # of the model that it is for
    dim: int = 32
    layers: int = 2  # LLaVA reads the last but one
    heads: int = 2
    ff: int = 64
    image: int = 32  # pixels of a side; pictures are padded to a square and scaled
    patch: int = 8
    kind: str = "mlp"

    @property
    def patches(self) -> int:
        return (self.image // self.patch) ** 2

    @property
    def tokens(self) -> int:
        """Of a picture, without those of text around it."""
        return self.patches if self.kind == "mlp" else self.patches // MERGED**2


def write_mmproj(path: Path, eye: Eye, *, seed: int = 0) -> None:
    """Writes the projector to `path`."""
    writer = gguf.GGUFWriter(path, "clip")
    _write_metadata(writer, path.name, eye)
    _write_tensors(writer, eye, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_metadata(writer: gguf.GGUFWriter, name: str, eye: Eye) -> None:
    writer.add_name(name)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type(eye.kind)
    writer.add_vision_projector_scale_factor(MERGED)
    writer.add_vision_projection_dim(eye.embedding)
    writer.add_vision_embedding_length(eye.dim)
    writer.add_vision_block_count(eye.layers)
    writer.add_vision_head_count(eye.heads)
    writer.add_vision_feed_forward_length(eye.ff)
    writer.add_vision_image_size(eye.image)
    writer.add_vision_patch_size(eye.patch)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean(MEAN)
    writer.add_vision_image_std(STD)


def _write_tensors(writer: gguf.GGUFWriter, eye: Eye, rng: np.random.Generator) -> None:
    def weights(name: str, *shape: int) -> None:
        writer.add_tensor(name + ".weight", rng.standard_normal(shape, dtype=np.float32) * SCALE)

    def bias(name: str, size: int) -> None:
        writer.add_tensor(name + ".bias", np.zeros(size, np.float32))

    def norm(name: str) -> None:
        writer.add_tensor(name + ".weight", np.ones(eye.dim, np.float32))
        bias(name, eye.dim)

    weights("v.patch_embd", eye.dim, 3, eye.patch, eye.patch)
    if eye.kind == "mlp":
        writer.add_tensor("v.class_embd", rng.standard_normal(eye.dim, dtype=np.float32))
        weights("v.position_embd", eye.patches + 1, eye.dim)
        norm("v.pre_ln")
    else:
        weights("v.position_embd", eye.patches, eye.dim)
        norm("v.post_ln")
    for layer in range(eye.layers):
        block = f"v.blk.{layer}."
        norm(block + "ln1")
        norm(block + "ln2")
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            weights(block + part, eye.dim, eye.dim)
            bias(block + part, eye.dim)
        weights(block + "ffn_up", eye.ff, eye.dim)
        bias(block + "ffn_up", eye.ff)
        weights(block + "ffn_down", eye.dim, eye.ff)
        bias(block + "ffn_down", eye.dim)
    if eye.kind == "gemma3":
        weights("mm.input_projection", eye.dim, eye.embedding)
        writer.add_tensor("mm.soft_emb_norm.weight", np.ones(eye.dim, np.float32))
        return
    weights("mm.0", eye.embedding, eye.dim)
    bias("mm.0", eye.embedding)
    weights("mm.2", eye.embedding, eye.embedding)
    bias("mm.2", eye.embedding)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    for name, default in vars(Eye()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    wanted = parser.parse_args()
    write_mmproj(wanted.out, Eye(**{name: getattr(wanted, name) for name in vars(Eye())}))
    print(wanted.out, round(wanted.out.stat().st_size / 1e6, 1), "MB")


if __name__ == "__main__":
    main()
