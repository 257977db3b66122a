"""The seam between the inference service and whatever makes the tokens.

A backend holds one model. It takes generations and publishes events; it never blocks its caller. The life of one
generation, in events:

    accepted  →  delta*  →  finished          (a cancelled one finishes too, with `cancelled` set)
    accepted  →  delta*  →  failed            (something of ours broke)
    failed                                    (refused: invalid, too long, queue full)

Exactly one `finished` or `failed` ends it, and nothing follows. The last delta of every choice carries `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gen import inference_pb2 as pb


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the host publishes about a loaded model."""

    name: str
    backend: str
    device: str  # "cpu", "cuda:0", "upstream"
    context_length: int  # tokens, prompt and output together, of one request
    vocabulary_size: int
    slots: int  # generations that run at the same time
    created: int = 0  # unix seconds
    image_tokens: int = 0  # of one image at most; 0: takes none
    gpu_layers: int = 0  # layers on a GPU; -1: all


@dataclass(eq=False, slots=True)
class Generation:
    """One request on its way through a backend. Identity is the object."""

    request_id: str
    request: pb.GenerateRequest
    # Whoever started it: the service finds the stream to answer on here. Backends leave it alone.
    owner: object = None
    handle: int = 0
    usage: pb.Usage = field(default_factory=pb.Usage)  # kept up to date by the backend; read by receipts
    abandoned: bool = False  # cancelled because its caller was gone


Publish = Callable[[Sequence[tuple[Generation, pb.Event]]], None]
"""Takes the events of one step, in order. Called on the event loop the backend was started on."""


class Backend(Protocol):
    """Implemented by every module of this package; `BACKENDS` names them."""

    @property
    def info(self) -> ModelInfo: ...

    async def start(self, publish: Publish) -> None:
        """Loads the model; returns when it can generate. Raises WorkerError saying what is wrong with the file."""

    def submit(self, generation: Generation) -> None:
        """Takes a generation. Returns at once; refusals arrive as a `failed` event."""

    def cancel(self, generation: Generation) -> None:
        """Ends a generation early. Idempotent; its slot is free within one engine step."""

    async def count_tokens(self, request: pb.GenerateRequest) -> int:
        """Tokens of the prompt as the model would see it. Raises InvalidRequestError."""

    async def tokenize(self, request: pb.TokenizeRequest) -> list[int]:
        """The tokens themselves. Raises InvalidRequestError, UnsupportedError, ContextLengthExceededError."""

    async def pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """What each token stands for, special ones spelled out. Raises InvalidRequestError."""

    async def aclose(self) -> None:
        """Ends everything that runs (as cancelled), stops threads, frees the model. Idempotent."""
