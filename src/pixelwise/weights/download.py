"""Published checkpoints on this machine: where they lie, and how they come here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import torch

from ..console import ProgressBar
from ..ops.atomic_files import write_aside
from .preset import Preset

PART = 1 << 20
"""Bytes that are read at once."""

LARGEST = 4 << 30
"""No published checkpoint is larger than this, bytes."""


class Unreachable(Exception):
    """A download that did not begin, or broke off."""


def folder() -> Path:
    """Where downloads are kept: `PIXELWISE_HOME`, or `pixelwise` in the user's cache (`XDG_CACHE_HOME`, `~/.cache`)."""
    home = os.environ.get("PIXELWISE_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) if home else Path(cache) / "pixelwise"


def here(preset: Preset) -> Path | None:
    """The file of a preset where it is on this machine already: among ours, or among PyTorch's own downloads."""
    places = (folder(), Path(torch.hub.get_dir()) / "checkpoints")
    return next((place / preset.file for place in places if (place / preset.file).is_file()), None)


def obtain(preset: Preset) -> Path:
    """The file of a preset, downloaded when it is not here.

    Raises:
        OSError: it cannot be downloaded; says what to bring, from where, to where.
        ValueError: what came is not what was published; it is not kept.
    """
    found = here(preset)
    if found is not None:
        check(found, preset)
        return found
    target = folder() / preset.file
    bring = f"open {preset.page} in a browser, get the weights and save them as {target}"
    if preset.url is None:
        raise OSError(f"{preset.file} is not on this machine and has no address of its own: {bring}")
    try:
        with write_aside(target) as aside:
            with aside.open("wb") as file:
                for part in received(preset.url, preset.file):
                    file.write(part)
            check(aside, preset)
    except Unreachable as error:
        raise OSError(f"cannot download {preset.url} ({error}): {bring}") from error
    return target


def received(url: str, name: str) -> Iterator[bytes]:
    """The bytes behind an address, with a bar on stderr where that is a terminal.

    Raises:
        Unreachable: nobody answers, an error comes, a page instead of a file, or less than was promised.
        ValueError: far too much comes.
    """
    try:
        with urlopen(Request(url, headers={"User-Agent": "pixelwise"}), timeout=30) as answer:
            if answer.headers.get_content_type() == "text/html":
                raise Unreachable("a page came and not a file")
            length = int(answer.headers.get("Content-Length") or 0) or None
            with ProgressBar(f"download {name}", length, unit="bytes", plain=False) as bar:
                count = 0
                while part := answer.read(PART):
                    count += len(part)
                    bar.advance(len(part))
                    if count > LARGEST:
                        raise ValueError(f"{url} sends more than {LARGEST >> 30} GB: no checkpoint is that large")
                    yield part
            if length and count != length:
                raise Unreachable(f"it broke off after {count} of {length} bytes")
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        raise Unreachable(str(error.reason if isinstance(error, URLError) else error)) from error


def check(path: Path, preset: Preset) -> None:
    """That a file is the one that was published, where its publisher gives a hash.

    Raises:
        ValueError: it is another.
    """
    kind, wanted = ("md5", preset.hash[4:]) if preset.hash.startswith("md5:") else ("sha256", preset.hash)
    if not wanted:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if not found.startswith(wanted):
        raise ValueError(
            f"{preset.file} ({path}) has the {kind} {found[: len(wanted)]}… and the published file {wanted}: it is "
            f"damaged or another. Remove it and try again, or get it from {preset.page}"
        )
