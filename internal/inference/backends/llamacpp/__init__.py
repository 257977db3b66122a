"""Continuous batching on llama.cpp's low-level API. The loop and its rules: `batching`."""

from internal.inference.backends.llamacpp.backend import LlamaCppBackend

__all__ = ["LlamaCppBackend"]
