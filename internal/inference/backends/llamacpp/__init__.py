"""Continuous batching on llama.cpp's low-level API. See `engine` for the loop, `scheduler` for the rules."""

from internal.inference.backends.llamacpp.backend import LlamaCppBackend

__all__ = ["LlamaCppBackend"]
