"""The device on which a model computes: one rule for training and for prediction."""

from __future__ import annotations

import torch

KINDS = ("cpu", "cuda", "mps")


def find_device(device: str | torch.device = "auto") -> torch.device:
    """The device of that name; for "auto" the first GPU if there is one, else the CPU.

    Args:
        device: "auto", "cpu", "cuda" (the first GPU), "cuda:N" (GPU number N, from 0) or "mps" (the GPU of a Mac, used
            only when it is named, as it lacks float64 and some operations).

    Raises:
        ValueError: there is no such device here, or no device has that name; says which devices there are.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        wanted = None
    if wanted is None or wanted.type not in KINDS:
        raise ValueError(f"device is {str(device)!r}: it must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
    if not _is_here(wanted):
        raise ValueError(f"device is {str(device)!r}, but {_why_not(wanted)}; there is: {', '.join(devices_here())}")
    return wanted


def devices_here() -> list[str]:
    """The names of the devices of this machine that PyTorch can use."""
    names = ["cpu"]
    names += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def _is_here(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return True


def _why_not(device: torch.device) -> str:
    version = f"PyTorch {torch.__version__}"
    if device.type == "mps":
        return f"{version} finds no GPU of a Mac here"
    if torch.version.cuda is None:
        return f"{version} is built without CUDA"
    return f"{version}, built for CUDA {torch.version.cuda}, sees {torch.cuda.device_count()} GPUs here"
