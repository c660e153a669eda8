"""What of this machine, and of this process, changes the low bits of a state."""

from __future__ import annotations

import torch

__all__ = ["machine_of"]


def machine_of(device: torch.device) -> dict[str, str]:
    """What kernels depend on besides the libraries: part of every store's identity.

    Sums are ordered by the processor's instructions and, on a CPU, by the number of threads; the
    precision of products is a setting of the process.

    Args:
        device: Where the model runs.
    """
    if device.type == "cuda":
        processor, threads = torch.cuda.get_device_name(device), ""
    else:
        processor, threads = torch.backends.cpu.get_cpu_capability(), str(torch.get_num_threads())
    return {
        "processor": processor,
        "threads": threads,
        "matmul_precision": torch.get_float32_matmul_precision(),
    }
