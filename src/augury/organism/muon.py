"""Muon for small models on a CPU: momentum, with each matrix's step made orthogonal.

PyTorch's own `torch.optim.Muon` orthogonalises one matrix at a time in bfloat16, which a CPU
without bfloat16 arithmetic emulates: 0.93 s a step here, against 0.04 s for all matrices of a shape
at once in float32. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; step size as in
Liu et al. 2025, arXiv:2502.16982, so that AdamW's step sizes fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

__all__ = ["Muon"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic whose iteration drives every singular value towards 1."""
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Optimiser for matrices; give embeddings, heads and vectors to another one."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step from the gradients that the matrices hold."""
        for group in self.param_groups:
            momentum = group["momentum"]
            by_shape: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                state = self.state[matrix]
                if not state:
                    state["average"] = torch.zeros_like(matrix)
                state["average"].lerp_(matrix.grad, 1 - momentum)
                by_shape.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in by_shape.items():
                steps = _orthogonal(
                    torch.stack([m.grad.lerp(self.state[m]["average"], momentum) for m in matrices])  # type: ignore[union-attr]
                )
                rate = group["lr"]
                for matrix, step in zip(matrices, steps, strict=True):
                    matrix.mul_(1 - rate * group["weight_decay"])
                    matrix.add_(step, alpha=-rate * 0.2 * max(shape) ** 0.5)


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices with orthogonal rows or columns, roughly; [matrix, row, column]."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = first * x + (second * square + third * (square @ square)) @ x
    found: torch.Tensor = x.mT if tall else x
    return found
