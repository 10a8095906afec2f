"""Which images the names of files, folders and patterns mean."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..images.file_names import IMAGE_SUFFIXES, file_not_found

MASK_ENDING = re.compile(r"(?i)[_\-. ](masks?|labels?|gt|seg|segmentation)$")
"""How the name of a mask ends that lies beside its image."""


def find_images(
    sources: Iterable[str | os.PathLike[str]], out: Path, formats: Iterable[str] = ()
) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The images that the sources name, by the names of their results; earlier results are left out.

    These are what lies below `out`, or, of sources that lie there themselves, in the folders of the formats.

    Returns:
        The images, and the masks beside them that were left out of folders.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: no images at all, or two with the same name.
    """
    found: dict[str, Path] = {}
    left_out: list[Path] = []
    out = out.resolve()
    for source in sources:
        before = len(found)
        within = out in (Path(source).resolve() / "any").parents
        results = {out / format for format in formats} if within else {out}
        expanded = list(_expanded(str(source)))
        masks = _masks([path for _, path in expanded]) if Path(source).is_dir() else set()
        for base, path in expanded:
            if results.intersection(path.resolve().parents) and not Path(source).is_file():
                continue
            if path in masks:
                left_out.append(path)
                continue
            name = path.relative_to(base).with_suffix("").as_posix()
            if found.setdefault(name, path).resolve() != path.resolve():
                beside = found[name].parent == path.parent
                way = (
                    f"name one kind only, '{path.parent}/*{found[name].suffix}'"
                    if beside
                    else "give the folder of both"
                )
                raise ValueError(
                    f"{found[name]} and {path} would both be written as {name!r}: {way}, "
                    "or predict them into two folders"
                )
        if Path(source).is_dir() and len(found) == before:
            raise ValueError(f"{source} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    if not found:
        raise ValueError("there are no images to predict: name files, folders or patterns")
    return found, tuple(left_out)


def _masks(paths: Sequence[Path]) -> set[Path]:
    """The PNGs that have their image beside them: a.png with a.jpg, a_mask.png with a.png."""
    beside: dict[Path, list[Path]] = {}
    for path in paths:
        beside.setdefault(path.with_suffix(""), []).append(path)
    masks = set()
    for stem, same in beside.items():
        pngs = [path for path in same if path.suffix.lower() == ".png"]
        plain = stem.with_name(MASK_ENDING.sub("", stem.name) or stem.name)
        if (len(pngs) == 1 and len(same) == 2) or (plain != stem and plain in beside):
            masks.update(pngs)
    return masks


def _expanded(source: str) -> Iterator[tuple[Path, Path]]:
    """Each image that a source names, after the folder that its name counts from."""
    path = Path(source)
    if path.is_dir():
        yield from ((path, one) for one in sorted(path.rglob("*")) if _looks_like_a_image(one, path))
    elif path.exists():
        yield path.parent, path
    elif glob.has_magic(source):
        fixed = next(n for n, part in enumerate(path.parts) if glob.has_magic(part))
        base = Path(*path.parts[:fixed])
        matches = sorted(base.glob("/".join(path.parts[fixed:])))
        if not matches:
            raise FileNotFoundError(f"no file fits the pattern {source}")
        yield from ((base, one) for one in matches if _looks_like_a_image(one, base))
    else:
        raise file_not_found(path)


def _looks_like_a_image(path: Path, base: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()
