"""Gives an untrained model the circuit that copies, which a model this small finds too late by itself.

To go on with a text that occurred before, a transformer looks for the last token's earlier places and writes what
followed there (an induction head; Olsson et al., 2022). It takes two layers: heads of the first note beside every token
which tokens came one and two places before; heads of the second look for places whose note matches what was just
written, and copy the token that stands there. All other weights start at random as usual, and training may change
everything: this only puts its start where copying already works a little.
"""

import torch
from architecture import HEAD_DIM, HIDDEN, ROPE_BASE, Student
from torch import Tensor

# How far a token's embedding reaches, in each dimension, and the room left beside it in the residual stream.
SCALE = 0.25
NOTE = 32
_TOKEN = slice(0, HIDDEN - 2 * NOTE - 1)
_NOTES = (slice(_TOKEN.stop, _TOKEN.stop + NOTE), slice(_TOKEN.stop + NOTE, _TOKEN.stop + 2 * NOTE))
_ALWAYS = HIDDEN - 1  # one dimension is the same for every token: what a head sees that asks for no token
_ALWAYS_LEVEL = 5.0
# Chosen so that right after priming most next tokens of a repeated random text are right.
_BACK, _MATCH, _COPY = 2.5, 2.5, 8.0
_LOGIT_SCALE = 0.06

_PAIRS = HEAD_DIM // 2
_SPEED = ROPE_BASE ** (-torch.arange(_PAIRS) / _PAIRS)  # radians per place by which RoPE turns each pair of a head
_FAST = _SPEED > 0.05
_SLOW = torch.cat([torch.arange(_PAIRS - NOTE // 2, _PAIRS), torch.arange(HEAD_DIM - NOTE // 2, HEAD_DIM)])


@torch.no_grad()
def prime(student: Student) -> None:
    llama = student.llama
    _leave_room(llama.model.embed_tokens.weight)
    student.space[_TOKEN] = torch.randn(_TOKEN.stop) * SCALE
    llama.model.norm.weight.fill_(_LOGIT_SCALE / SCALE)
    first, second = (layer.self_attn for layer in llama.model.layers[:2])
    for head, note in enumerate(_NOTES):
        _look_back(first, head, head + 1)
        _write(first, head, slice(0, NOTE), note, SCALE)
    for head, (wanted, note) in enumerate(((slice(0, NOTE), _NOTES[0]), _NOTES)):
        _match(second, head, wanted, note)
        part = slice(head * HEAD_DIM, min((head + 1) * HEAD_DIM, _TOKEN.stop))
        _write(second, head, part, part, SCALE * _COPY)


def _leave_room(embedding: Tensor) -> None:
    embedding.normal_(0, SCALE)
    embedding[:, _TOKEN.stop :] = 0
    embedding[:, _ALWAYS] = _ALWAYS_LEVEL * SCALE


def _rows(head: int) -> slice:
    return slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)


def _look_back(attention: torch.nn.Module, head: int, places: int) -> None:
    """Query and key are the same for all tokens, and meet where RoPE has turned them by ``places``."""
    query, key = torch.zeros(2, HEAD_DIM, HIDDEN)
    query[:_PAIRS, _ALWAYS] = _BACK * _FAST
    key[:_PAIRS, _ALWAYS] = _BACK * _FAST * torch.cos(places * _SPEED)
    key[_PAIRS:, _ALWAYS] = _BACK * _FAST * torch.sin(places * _SPEED)
    attention.q_proj.weight[_rows(head)], attention.k_proj.weight[_rows(head)] = query, key


def _match(attention: torch.nn.Module, head: int, wanted: slice, note: slice) -> None:
    """The query is what stands in ``wanted``, the key what stands in ``note``, in pairs that hardly turn."""
    query, key = torch.zeros(2, HEAD_DIM, HIDDEN)
    query[_SLOW, wanted] = _MATCH * torch.eye(NOTE)
    key[_SLOW, note] = _MATCH * torch.eye(NOTE)
    attention.q_proj.weight[_rows(head)], attention.k_proj.weight[_rows(head)] = query, key


def _write(attention: torch.nn.Module, head: int, read: slice, written: slice, strength: float) -> None:
    """What stands in ``read`` where the head looks is added to ``written``."""
    width = read.stop - read.start
    value, output = torch.zeros(HEAD_DIM, HIDDEN), torch.zeros(HIDDEN, HEAD_DIM)
    value[:width, read] = torch.eye(width)
    output[written, :width] = strength * torch.eye(width)
    attention.v_proj.weight[_rows(head)], attention.o_proj.weight[:, _rows(head)] = value, output
