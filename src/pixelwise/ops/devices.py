"""Where a model computes."""

from __future__ import annotations

import torch


def available(device: str | torch.device) -> torch.device:
    """The device of that name, or the best one for "auto".

    Raises:
        ValueError: when it is not there, or no device is called so.
    """
    gpus = torch.cuda.device_count()
    if device == "auto":
        return torch.device("cuda" if gpus else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        wanted = None
    if wanted is None or wanted.type not in ("cpu", "cuda"):
        raise ValueError(f"device is {str(device)!r}: it must be 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if wanted.type == "cuda" and (wanted.index or 0) >= gpus:
        raise ValueError(
            f"device {str(device)!r} was asked for, but PyTorch {torch.__version__} sees {gpus} GPUs here: "
            "say device='cpu' or 'auto', or install a PyTorch that fits the GPU's driver"
        )
    return wanted
