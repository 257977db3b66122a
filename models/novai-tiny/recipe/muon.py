"""Muon: momentum whose step for a matrix is made orthogonal (Keller Jordan, 2024), here for a CPU.

The step is scaled so that one learning rate suits matrices and AdamW's vectors alike (Liu et al., 2025). The matrices
are shared out between the training processes, because the iteration costs as much as a tenth of the training itself.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(matrix: Tensor, steps: int = 4) -> Tensor:
    """Newton-Schulz iteration to the nearest orthogonal matrix, in bfloat16: exact enough, and four times as fast."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = (x / (x.norm() + 1e-7)).bfloat16()
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """For the matrices inside the layers only: embeddings and norms belong to AdamW."""

    def __init__(self, parameters: Sequence[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        group = self.param_groups[0]
        updates: list[Tensor] = []
        for index, parameter in enumerate(group["params"]):
            buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
            buffer.lerp_(parameter.grad, 1 - group["momentum"])
            mine = index % world == rank
            updates.append(
                orthogonal(parameter.grad.lerp(buffer, group["momentum"])) if mine else torch.zeros_like(parameter)
            )
        flat = torch.cat([update.reshape(-1) for update in updates])
        if world > 1:
            dist.all_reduce(flat)
        for parameter, update in zip(group["params"], flat.split([p.numel() for p in group["params"]]), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.view_as(parameter), alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)
