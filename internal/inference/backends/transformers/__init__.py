"""Models in PyTorch, from Hugging Face folders. The loop and its rules: `batching`."""

from internal.inference.backends.transformers.backend import TransformersBackend

__all__ = ["TransformersBackend"]
