"""Reading files of tensors from untrusted sources: nothing in them is ever executed."""

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
"""The entry of a safetensors file's metadata in which our own checkpoints have their record, as JSON."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Entries of a checkpoint under which training scripts put the state dict."""

PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of PyTorch's archives, and of bare pickles of the protocols 2 to 5."""

SIMILARITY = 0.4
"""Names of files that are at least this similar to a missing one are suggested (see `difflib`)."""


def require_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file, once it is known to exist.

    Raises:
        FileNotFoundError: it does not; names what the folder holds instead.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(_not_a_file(path))
    return path


def _not_a_file(path: Path) -> str:
    """The error for a path that is not a file, with suggestions."""
    if path.is_dir():
        inside = ", ".join(p.name for p in sorted(path.glob("*.safetensors")))
        return f"{path} is a folder: give a file in it ({inside or 'it has no weights'})"
    if not path.parent.is_dir():
        return f"{path} is not there: the folder {path.parent} does not exist"
    if not path.suffix:
        return _neither_file_nor_folder(path)
    files = sorted(p.name for p in path.parent.iterdir() if p.is_file())
    similar = get_close_matches(path.name, files, 3, SIMILARITY)
    if not similar:
        similar = [name for name in files if name.endswith(".safetensors")][:5]
    if not similar:
        return f"{path} is not there: there is no file of weights in {path.parent}"
    return f"{path} is not there: did you mean {' or '.join(similar)}?"


def _neither_file_nor_folder(path: Path) -> str:
    """The error for a name without a suffix, which may be meant for the folder of a run."""
    entries = sorted(p.name for p in path.parent.iterdir())
    similar = [str(path.parent / name) for name in get_close_matches(path.name, entries, 3, SIMILARITY)]
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"there is no file and no folder {path}{hint}"


def is_pickle(path: Path) -> bool:
    """Tell from the first bytes whether a file is a pickle: one of PyTorch's archives, or a bare pickle."""
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors file begins with the length of its header, eight bytes that may look like anything.
    is_safetensors = start[8:] == b"{"
    return not is_safetensors and start.startswith(PICKLES)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a safetensors file.

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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        size = path.stat().st_size
        raise ValueError(
            f"{path} ({size} bytes) is not a whole safetensors file: cut short or damaged ({error})"
        ) from None


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the state dict of a file, safetensors or PyTorch's, without the wrappers of training scripts.

    Raises:
        FileNotFoundError: the file does not exist; similar names in its folder are suggested.
        ValueError: the file holds more than tensors and plain values, is cut short, has no state dict, or is one of our
            own checkpoints.
    """
    path = require_file(path)
    if not is_pickle(path):
        tensors, metadata = read_safetensors(path)
        if KEY in metadata:
            raise ValueError(
                f"{path} is already a checkpoint of pixelwise: use it as it is (--model), or start a training from it "
                "(--weights)"
            )
        return unwrap(tensors, str(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file can make PyTorch raise anything
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        what = f"holds {forbidden[1]}, more than tensors" if forbidden else "holds more than tensors, or is cut short"
        raise ValueError(
            f"{path} {what}; it is not opened, since a pickle can run any program. Save its state_dict() alone, best "
            "as safetensors"
        ) from None
    return unwrap(content, str(path))


def unwrap(content: Any, name: str) -> dict[str, Any]:
    """The state dict in the content of a file, without the wrappers of training scripts.

    Args:
        content: what was read.
        name: of the file, for errors.

    Returns:
        Name → tensor, or whatever else stands among the tensors. `module.`, the prefix of data parallelism, is removed
        where every tensor has it.

    Raises:
        ValueError: it holds no tensors.
    """
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    entries = content if isinstance(content, Mapping) else {}
    tensors = [str(key) for key, value in entries.items() if isinstance(value, Tensor)]
    if not tensors:
        raise ValueError(f"{name} holds no tensors, only {type(content).__name__}: it is not a state dict")
    prefix = "module." if all(key.startswith("module.") for key in tensors) else ""
    return {str(key).removeprefix(prefix): value for key, value in entries.items()}
