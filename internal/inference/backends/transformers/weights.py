"""The weights of a Hugging Face folder, on their device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Between two steps OpenMP's threads would spin for milliseconds on cores that the rest of the machine needs. Read when
# PyTorch is loaded, so it stands before the import.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging
from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

from internal.config import ConfigError
from internal.errors import WorkerError
from internal.inference.backends.transformers.options import Options


def load_weights(path: str, options: Options) -> PreTrainedModel:
    """Raises WorkerError, ConfigError; the message says what is wrong with the folder, or with the option."""
    if not (Path(path) / "config.json").is_file():
        raise WorkerError(f"{path}: no config.json there. Set `path` of the model to a Hugging Face folder.")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    device = device_of(options.device)
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(path, **local)
        quantised = getattr(config, "quantization_config", None) is not None
        model: Any = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype="auto" if quantised else dtype_of(options.dtype, device),
            attn_implementation=attention_of(options.attention, device),
            use_safetensors=True,  # other weights are programs
            device_map={"": device} if quantised else None,  # those cannot be moved afterwards
            **local,
        )
        loaded: PreTrainedModel = (model if quantised else model.to(device)).eval()
        return loaded
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise WorkerError(f"{path}: transformers cannot load this model: {error}") from None


def device_of(name: str) -> torch.device:
    """Raises ConfigError."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ConfigError(f"options: device: {name!r} is none. Write cpu, cuda or cuda:1.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"options: device: {name}: PyTorch finds {torch.cuda.device_count()} GPUs here")
    return device


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """Of weights that are not quantised."""
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    return torch.bfloat16 if computes_bfloat16(device) else torch.float32


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in it, rather than converts."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def attention_of(name: str, device: torch.device) -> str | None:
    """None: what the model has, of PyTorch's own or, where that cannot do it (Gemma 2, GPT-OSS), eager."""
    if name != "auto":
        return name
    if device.type == "cuda" and is_flash_attn_3_available():
        return "flash_attention_3"
    if device.type == "cuda" and is_flash_attn_2_available():
        return "flash_attention_2"
    return None
