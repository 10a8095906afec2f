"""Downloads of published checkpoints: where they are kept, and that they are complete and the published ones."""

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
"""Bytes read at a time."""

MAX_BYTES = 4 << 30
"""A download is stopped beyond this size: no published checkpoint is larger."""


class Unreachable(Exception):
    """A download that did not start, or broke off."""


def folder() -> Path:
    """The folder of downloads: `PIXELWISE_HOME`, or `pixelwise` in the user's cache (`XDG_CACHE_HOME`, `~/.cache`)."""
    home = os.environ.get("PIXELWISE_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) if home else Path(cache) / "pixelwise"


def here(preset: Preset) -> Path | None:
    """Find the file of a preset among our downloads or PyTorch's own; None when it is in neither place."""
    places = (folder(), Path(torch.hub.get_dir()) / "checkpoints")
    return next((place / preset.file for place in places if (place / preset.file).is_file()), None)


def obtain(preset: Preset) -> Path:
    """Find the file of a preset, or download it.

    Raises:
        OSError: it cannot be downloaded; says what to bring, from where, to where.
        ValueError: the file is not the published one; a download is not kept then.
    """
    local = here(preset)
    if local is not None:
        check_hash(local, preset)
        return local
    target = folder() / preset.file
    bring = f"open {preset.page} in a browser, get the weights and save them as {target}"
    if preset.url is None:
        raise OSError(f"{preset.file} is not on this machine and has no address of its own: {bring}")
    try:
        with write_aside(target) as aside:
            with aside.open("wb") as file:
                for part in stream(preset.url, preset.file):
                    file.write(part)
            check_hash(aside, preset)
    except Unreachable as error:
        raise OSError(f"cannot download {preset.url} ({error}): {bring}") from error
    return target


def stream(url: str, name: str) -> Iterator[bytes]:
    """Download a file part by part, with a progress bar where stderr is a terminal.

    Args:
        url: of the file.
        name: shown at the bar.

    Raises:
        Unreachable: the server does not answer, answers with an error or with a web page, or breaks off.
        ValueError: it sends more than `MAX_BYTES`.
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
                    if count > MAX_BYTES:
                        raise ValueError(f"{url} sends more than {MAX_BYTES >> 30} GB: no checkpoint is that large")
                    yield part
            if length and count != length:
                raise Unreachable(f"it broke off after {count} of {length} bytes")
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        raise Unreachable(str(error.reason if isinstance(error, URLError) else error)) from error


def check_hash(path: Path, preset: Preset) -> None:
    """Check that a file is the published one, if its publisher gives a hash.

    Raises:
        ValueError: it is another file.
    """
    if not preset.hash:
        return
    kind, published = "sha256", preset.hash
    if published.startswith("md5:"):
        kind, published = "md5", published.removeprefix("md5:")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, kind).hexdigest()
    if not digest.startswith(published):  # of a SHA-256 only the first digits are given
        raise ValueError(
            f"{preset.file} ({path}) has the {kind} {digest[: len(published)]}… and the published file {published}: "
            f"it is damaged or another. Remove it and try again, or get it from {preset.page}"
        )
