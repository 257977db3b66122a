"""What everything that computes with llama.cpp shares: the library itself, a GGUF file in memory, a batch."""

import os

# Between two steps OpenMP's threads would spin for milliseconds on cores that the rest of the machine needs, and that
# stalls the steps themselves when the machine is busy. Read when llama.cpp is loaded, so it stands before the import.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import llama_cpp.llama_cpp as llama
import llama_cpp.mtmd_cpp as mtmd

__all__ = ["llama", "mtmd"]
