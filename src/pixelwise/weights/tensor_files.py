"""Files of tensors from strangers: read without running anything that is in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

KEY = "pixelwise"
"""Under which our own checkpoints have their record, as JSON, in the metadata of the file."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under which of these names training scripts hide the weights in a checkpoint."""


def existing(path: str | os.PathLike[str]) -> Path:
    """The path of a file that is there.

    Raises:
        FileNotFoundError: names the nearest files in the folder.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        inside = [p.name for p in sorted(path.glob("*.safetensors"))]
        raise FileNotFoundError(f"{path} is a folder: give a file in it ({', '.join(inside) or 'it has no weights'})")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} is not there: the folder {path.parent} does not exist")
    if not path.suffix:
        near = get_close_matches(path.name, sorted(p.name for p in path.parent.iterdir()), 3, 0.4)
        hint = f"; did you mean {' or '.join(str(path.parent / name) for name in near)}?" if near else ""
        raise FileNotFoundError(f"there is no file and no folder {path}{hint}")
    files = sorted(p.name for p in path.parent.iterdir() if p.is_file())
    near = get_close_matches(path.name, files, 3, 0.4) or [f for f in files if f.endswith(".safetensors")][:5]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there is no file of weights in {path.parent}"
    raise FileNotFoundError(f"{path} is not there: {hint}")


def is_pickle(path: Path) -> bool:
    """Whether the file starts as pickles do: PyTorch's archives, and bare ones."""
    with path.open("rb") as file:
        start = file.read(9)
    safetensors = start[8:] == b"{"  # after the length of its header, whose bytes may look like anything
    return not safetensors and start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        ValueError: the file is a pickle, is cut short, or is something else.
    """
    if is_pickle(path):
        raise ValueError(
            f"{path} is a pickle, not a safetensors file, and is not opened: a pickle can run any program. "
            "A state dict of PyTorch becomes a checkpoint by pixelwise convert FILE --layout LAYOUT --model METHOD"
        )
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        size = path.stat().st_size
        raise ValueError(
            f"{path} ({size} bytes) is not a whole safetensors file: cut short or damaged ({error})"
        ) from None


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state dict in a file, safetensors or PyTorch's, out of the wrappers of training scripts.

    Raises:
        FileNotFoundError: names the nearest files in the folder.
        ValueError: the file holds more than tensors and plain values, is cut short, or has no state dict.
    """
    path = existing(path)
    if not is_pickle(path):
        tensors, metadata = read_safetensors(path)
        if KEY in metadata:
            raise ValueError(
                f"{path} is a checkpoint of pixelwise and no other library's: it is used as it is (--model), and a "
                "training begins from it (--weights)"
            )
        return unwrapped(tensors, str(path))
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile file makes PyTorch raise
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"holds {found[1]}, more than tensors" if found else "holds more than tensors, or is cut short"
        raise ValueError(
            f"{path} {what}; it is not opened, since a pickle can run any program. Save its state_dict() alone, best "
            "as safetensors"
        ) from None
    return unwrapped(whole, str(path))


def unwrapped(found: Any, name: str) -> dict[str, Any]:
    """The state dict without what training scripts put around it, and without the prefix of data parallelism."""
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    tensors = [key for key, value in found.items() if isinstance(value, Tensor)] if isinstance(found, Mapping) else []
    if not tensors:
        raise ValueError(f"{name} holds no tensors, only {type(found).__name__}: it is not a state dict")
    prefix = "module." if all(str(key).startswith("module.") for key in tensors) else ""
    return {str(key).removeprefix(prefix): value for key, value in found.items()}
