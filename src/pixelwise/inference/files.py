"""Results as files: class maps, label maps, COCO JSON and overlays, of one picture or of many."""

from __future__ import annotations

import glob
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..classes import VOID, Color
from ..data.annotations import Annotations
from ..data.image import read_image
from ..data.label_map import without_overlap, write_map
from ..data.picture_file import SUFFIXES, missing
from ..data.source import Picture, read_ahead
from ..drawing import draw
from ..models.base import Model
from ..ops.files import write_aside
from ..ops.names import nearest
from ..segmentation import Segmentation
from .predictor import FAILURES, Predictor

FORMATS = {"overlay": ".jpg", "class-map": ".png", "label-map": ".png", "coco": ".json"}
"""What can be written, and the suffix it gets."""

BY_SUFFIX = {".png": "class-map", ".json": "coco", ".jpg": "overlay", ".jpeg": "overlay", ".webp": "overlay"}

VOID_COLOR: Color = (224, 224, 192)
"""What viewers show for void in a class map, as in the masks of PASCAL VOC."""

JPEG_SIDE = 65_500
"""A JPEG's sides are no longer than this; overlays of larger pictures are PNG."""

MASK_ENDING = re.compile(r"(?i)[_\-. ](masks?|labels?|gt|seg|segmentation)$")
"""How the name of a mask ends that lies beside its picture."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Predicted:
    """What `predict_files` did.

    Attributes:
        done: the pictures whose results are written.
        failed: the others, each with the reason.
        out: the folder.
        masks: what was left out of folders, as the mask of the picture beside it.
    """

    done: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    out: Path
    masks: tuple[Path, ...] = ()

    def summary(self) -> str:
        """A line for the whole, one for the masks that were left out, and one for each failure."""
        lines = [f"{len(self.done)} of {len(self.done) + len(self.failed)} pictures done, results in {self.out}"]
        if self.masks:
            lines.append(f"{len(self.masks)} masks beside pictures left out, such as {self.masks[0]}")
        return "\n".join(lines + [f"failed: {_told(path, reason)}" for path, reason in self.failed])


def save(
    result: Segmentation, path: str | os.PathLike[str], format: str | None = None, *, image: Picture | None = None
) -> None:
    """Writes a result, whole or not at all.

    Args:
        result: what is where in a picture.
        path: the file.
        format: as the suffix of `path` says when not given: .png a class map, .json COCO, .jpg an overlay.

            - "class-map": 8-bit palette PNG; the values are class indices, 255 is void, the palette has the colours.
            - "label-map": 16-bit PNG; each thing and each class of stuff has a number, 0 is background, 65535 void;
              a JSON file beside it names the class of each number: {"1": "cell"}.
            - "coco": JSON, run lengths with scores; of a semantic result one annotation a class, background none.
            - "overlay": the picture with the result drawn on it.
        image: the picture, for "overlay"; its path, for the name of the file in "coco".

    Raises:
        OSError: names the file when it cannot be written.
        ValueError: for an unknown format, for an overlay without a picture.
    """
    path = Path(path)
    format = format or BY_SUFFIX.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"{path}: the suffix does not tell what to write; state format, one of {', '.join(FORMATS)}")
    _check_formats([format])
    if format == "class-map":
        _write_image(_class_picture(result), path)
    elif format == "label-map":
        _write_numbers(result, path)
    elif format == "coco":
        annotated = Annotations(result.classes, scores=True)
        annotated.add(Path(image).name if isinstance(image, str | os.PathLike) else path.stem, result)
        annotated.write(path)
    elif image is None:
        raise ValueError(f"{path}: an overlay needs the picture too: save(result, path, image=picture)")
    else:
        _write_image(Image.fromarray(draw(image, result)), path)


def predict_files(
    model: Model | Predictor,
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("overlay", "class-map"),
    progress: bool = True,
) -> Predicted:
    """Predicts pictures and writes the results below a folder: `out/FORMAT/NAME.suffix`, and `out/coco.json` for all.

    A picture that cannot be read or computed is reported on stderr and skipped. Pictures are read in a second thread
    while the model computes.

    Args:
        model: a model, or a `Predictor` that says on which device, with which flips, scales and tiles.
        sources: files, folders (with all below them, but for masks beside their pictures: a.png beside a.jpg, or
            a_mask.png), patterns such as "new/*.tif" or "new/**/*.png".
        out: the folder; made when missing, files of the same name are replaced.
        formats: of `FORMATS`.
        progress: whether stderr shows how far it is: a bar on a terminal, elsewhere a line for each tenth.

    Raises:
        FileNotFoundError: a source does not exist.
        OSError: the folder or a file in it cannot be written, for instance because the disk is full.
        ValueError: for an unknown format, for sources without pictures, for two that would write the same files.
    """
    _check_formats(formats)
    out = Path(out)
    pictures, masks = find_pictures([sources] if isinstance(sources, str | os.PathLike) else sources, out)
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    _check_writable(out)
    done: list[Path] = []
    failed: list[tuple[Path, str]] = []
    annotated = Annotations(predictor.model.classes, scores=True)
    items = list(pictures.items())
    for (name, path), read in _shown(read_ahead(items, _read), len(items), progress):
        try:
            image = read()
            result = predictor(image)
        except FAILURES as error:
            failed.append((path, str(error)))
            tqdm.write(f"skipped {_told(path, str(error))}", file=sys.stderr)
            continue
        for format in formats:
            if format == "coco":
                annotated.add(name + path.suffix, result)
            else:
                save(result, _target(out, name, format, image), format, image=image)
        done.append(path)
    if "coco" in formats:
        annotated.write(out / "coco.json")
    return Predicted(tuple(done), tuple(failed), out, masks)


def find_pictures(sources: Iterable[str | os.PathLike[str]], out: Path) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The pictures that the sources name, by the names of their results; those below `out` are left out.

    Returns:
        The pictures, and the masks beside them that were left out of folders.

    Raises:
        FileNotFoundError: a source does not exist.
        ValueError: no pictures at all, or two with the same name.
    """
    found: dict[str, Path] = {}
    left_out: list[Path] = []
    for source in sources:
        before = len(found)
        expanded = list(_expanded(str(source)))
        masks = _masks([path for _, path in expanded]) if Path(source).is_dir() else set()
        for base, path in expanded:
            if out.resolve() in path.resolve().parents and not Path(source).is_file():
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
            raise ValueError(f"{source} holds no pictures ({', '.join(SUFFIXES)})")
    if not found:
        raise ValueError("there are no pictures to predict: name files, folders or patterns")
    return found, tuple(left_out)


def _masks(paths: Sequence[Path]) -> set[Path]:
    """The PNGs that have their picture beside them: a.png with a.jpg, a_mask.png with a.png."""
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
    """Each picture that a source names, after the folder that its name counts from."""
    path = Path(source)
    if path.is_dir():
        yield from ((path, one) for one in sorted(path.rglob("*")) if _looks_like_a_picture(one, path))
    elif path.exists():
        yield path.parent, path
    elif glob.has_magic(source):
        fixed = next(n for n, part in enumerate(path.parts) if glob.has_magic(part))
        base = Path(*path.parts[:fixed])
        matches = sorted(base.glob("/".join(path.parts[fixed:])))
        if not matches:
            raise FileNotFoundError(f"no file fits the pattern {source}")
        yield from ((base, one) for one in matches if _looks_like_a_picture(one, base))
    else:
        raise missing(path)


def _looks_like_a_picture(path: Path, base: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _shown(items: Iterable[Item], number: int, progress: bool) -> Iterator[Item]:
    """The items, while stderr shows how many are done."""
    if not progress or sys.stderr.isatty():
        yield from tqdm(items, "predict", number, disable=not progress)
        return
    for n, item in enumerate(items, 1):
        yield item
        if 10 * n // number > 10 * (n - 1) // number:
            print(f"predict: {n} of {number} pictures", file=sys.stderr, flush=True)


def _told(path: Path, reason: str) -> str:
    """What went wrong with a picture, its name once."""
    return reason if str(path) in reason else f"{path}: {reason}"


def _read(item: tuple[str, Path]) -> Tensor:
    return read_image(item[1])


def _target(out: Path, name: str, format: str, image: Tensor) -> Path:
    large = format == "overlay" and max(image.shape) > JPEG_SIDE
    path = out / format / name
    return path.with_name(path.name + (".png" if large else FORMATS[format]))


def _check_formats(formats: Sequence[str]) -> None:
    for format in formats:
        if format not in FORMATS:
            raise ValueError(f"there is no format {format!r} for results; {nearest(format, FORMATS)}")
    if not formats:
        raise ValueError(f"no format was given: choose of {', '.join(FORMATS)}")


def _check_writable(out: Path) -> None:
    """Fails now rather than after the first picture."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write into the folder {out}: {error.strerror}") from error


def _class_picture(result: Segmentation) -> Image.Image:
    picture = Image.fromarray(result.class_map().cpu().numpy()).convert("L")
    colors = np.zeros((VOID + 1, 3), np.uint8)
    colors[: len(result.classes)] = result.classes.colors
    colors[VOID] = VOID_COLOR
    picture.putpalette(colors.tobytes())
    return picture


def _write_numbers(result: Segmentation, path: Path) -> None:
    """The label map, and beside it the class of each of its numbers."""
    apart = without_overlap(result)
    write_map(apart, path)
    classes = result.classes
    things = [classes.names[label] for label in apart.labels.tolist() if label != classes.background]
    with write_aside(path.with_suffix(".json")) as aside:
        aside.write_text(json.dumps(dict(enumerate(things, 1))), encoding="utf-8")


def _write_image(picture: Image.Image, path: Path) -> None:
    """Encoded in memory first, so that only whole files are written."""
    buffer = io.BytesIO()
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: pictures are written as .png, .jpg or .webp, not as {path.suffix or 'no suffix'!r}")
    picture.save(buffer, kind, quality=92)
    with write_aside(path) as aside:
        aside.write_bytes(buffer.getvalue())
