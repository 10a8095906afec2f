"""Results as files: overlays, class maps, label maps, COCO JSON, YOLO texts and tables, of one image or of many."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..classes import MAX_CLASSES, Classes
from ..console import print_above, track
from ..data.formats.annotations import Annotations
from ..data.formats.panoptic_annotations import PanopticAnnotations
from ..data.formats.yolo import Texts
from ..drawing.overlay import draw
from ..images.decoding import read_image
from ..images.header import MAX_PIXELS, read_header
from ..images.image_source import ImageSource
from ..images.png import write_png
from ..images.read_ahead import read_ahead
from ..images.rows import MAX_PIXELS_IN_ROWS, OnDisk
from ..models.base import Model
from ..ops.atomic_files import write_bytes, write_text
from ..ops.names import suggest
from ..segmentation import Segmentation
from ..weights import checkpoint
from ..writers import objects_table as table
from ..writers.class_map_rows import palette
from ..writers.collection import COLLECTED, Collection
from .large import LARGE, predict_large
from .predictor import FAILURES, Predictor
from .sources import find_images

FORMATS = {
    "overlay": ".jpg",
    "class-map": ".png",
    "label-map": ".png",
    "coco": ".json",
    "coco-panoptic": ".json",
    "yolo": ".txt",
    "table": ".csv",
}
"""What can be written, and the suffix it gets."""

DEFAULTS = {
    "semantic": ("overlay", "class-map"),
    "instance": ("overlay", "table"),
    "panoptic": ("overlay", "coco-panoptic"),
}
"""What `predict_files` writes of each task when nobody says what."""

BY_SUFFIX = {
    ".png": "class-map",
    ".json": "coco",
    ".txt": "yolo",
    ".csv": "table",
    ".jpg": "overlay",
    ".jpeg": "overlay",
    ".webp": "overlay",
}

JPEG_SIDE = 65_500
"""A JPEG's sides are no longer than this; overlays of larger images are PNG."""


@dataclass(frozen=True)
class Predicted:
    """What `predict_files` did.

    Attributes:
        done: the images whose results are written.
        failed: the others, each with the reason.
        out: the folder.
        masks: what was left out of folders, as the mask of the image beside it.
        notes: what the formats could not hold as it is, in sentences for people.
    """

    done: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    out: Path
    masks: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """A line for the whole, one for the masks that were left out, the notes, and a line for each failure."""
        lines = [f"{len(self.done)} of {len(self.done) + len(self.failed)} images done, results in {self.out}"]
        if self.masks:
            lines.append(f"{len(self.masks)} masks beside images left out, such as {self.masks[0]}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines + [f"failed: {_told(path, reason)}" for path, reason in self.failed])


def save(
    result: Segmentation | Model,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    image: ImageSource | None = None,
) -> None:
    """Writes a result, or the checkpoint of a model, whole or not at all.

    Args:
        result: what is where in an image; or a model, which `pixelwise.load` then reads.
        path: the file.
        format: as the suffix of `path` says when not given: .png a class map, .json COCO, .txt YOLO, .csv a table, .jpg
            an overlay.

            - "overlay": the image with the result drawn on it; objects with their names and scores.
            - "class-map": 8-bit palette PNG; the values are class indices, 255 is void, the palette has the colours.
            - "label-map": 16-bit PNG; each thing and each class of stuff has a number, 0 is background, 65535 void;
              a JSON file beside it names the class of each number. Of objects that overlap the surest is seen.
            - "coco": JSON, run lengths with scores; of a semantic result one annotation a class, background none.
            - "coco-panoptic": JSON, and a folder of that name with a PNG of the image's name; any suffix is .json.
            - "yolo": a text of polygons, a line for each object, without scores; its numbers do not count the
              background, and a warning says what it cannot hold as it is.
            - "table": CSV, a row for each object (`table.HEADER`); of a semantic result a row a class.
        image: the image, for "overlay"; its path, for its name in "coco", "coco-panoptic" and "table".

    Raises:
        OSError: names the file when it cannot be written.
        ValueError: for an unknown format, for an overlay without an image, for more classes or objects than the format
            has numbers.
    """
    path = Path(path)
    if isinstance(result, Model):
        return _save_model(result, path)
    name = Path(image).name if isinstance(image, str | os.PathLike) else path.stem
    format = format or BY_SUFFIX.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"{path}: the suffix does not tell what to write; state format, one of {', '.join(FORMATS)}")
    _check_formats([format], result.classes)
    if format == "class-map":
        _write_image(_class_image(result), path)
    elif format == "label-map":
        _write_numbers(result, path)
    elif format == "coco":
        annotated = Annotations(result.classes, scores=True)
        annotated.add(name, result)
        annotated.write(path)
    elif format == "coco-panoptic":
        panoptic = PanopticAnnotations(result.classes, path.with_suffix(""), scores=True)
        panoptic.add(name, result)
        panoptic.write(path.with_suffix(".json"))
    elif format == "yolo":
        _write_polygons(result, path)
    elif format == "table":
        table.write(table.rows(name, result), path)
    elif image is None:
        raise ValueError(f"{path}: an overlay needs the image too: save(result, path, image=image)")
    else:
        _write_image(Image.fromarray(draw(image, result)), path)


def _save_model(model: Model, path: Path) -> None:
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: the checkpoint of a model is a .safetensors file")
    checkpoint.save(model, path)


def predict_files(
    model: Model | Predictor,
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    progress: bool = True,
) -> Predicted:
    """Predicts images and writes the results below a folder: `out/FORMAT/NAME.suffix`.

    One file holds all images: `out/coco.json`, `out/coco-panoptic.json`, `out/table.csv`. YOLO's texts are in
    `out/yolo/labels` beside `out/yolo/data.yaml`: put the images into `out/yolo/images`, and it is a data set.

    An image that cannot be read or computed is reported on stderr and skipped. Images are read in a second thread
    while the model computes. One of more than `LARGE` pixels goes from disk to disk in rows if it can (rasterio is
    installed, the model is semantic, nothing but class maps and overlays is wanted): the class map of a TIFF is a
    GeoTIFF of the same place, the overlay is reduced. Otherwise it is read whole and may have `MAX_PIXELS`.

    Args:
        model: a model, or a `Predictor` that says on which device, with which tiles, how sure objects must be, ….
        sources: files, folders (with all below them, but for masks beside their images: a.png beside a.jpg, or
            a_mask.png), patterns such as "new/*.tif" or "new/**/*.png".
        out: the folder; made when missing, files of the same name are replaced.
        formats: of `FORMATS`; `DEFAULTS` of the model's task when not given.
        progress: whether stderr shows how far it is: a bar on a terminal, elsewhere a line for each tenth.

    Raises:
        FileNotFoundError: a source does not exist.
        OSError: the folder or a file in it cannot be written, for instance because the disk is full.
        ValueError: for an unknown format, for sources without images, for two that would write the same files.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    formats = DEFAULTS[predictor.model.task] if formats is None else formats
    _check_formats(formats, predictor.model.classes)
    out, every = Path(out), [sources] if isinstance(sources, str | os.PathLike) else sources
    images, masks = find_images(every, out, FORMATS)
    _check_writable(out)
    done, failed = list[Path](), list[tuple[Path, str]]()
    collected = Collection(predictor.model.classes, formats, out)
    items, whole = list(images.items()), _why_whole(predictor, formats)
    reading = read_ahead(items, lambda item: _read(item[1], whole))
    for (name, path), read in track(reading, "predict", len(items), show=progress):
        image, result = None, None
        try:
            image = read()
            if isinstance(image, Tensor):
                result = predictor(image)
                _save_each(result, image, out, name, formats)
                collected.add(name + path.suffix, result)
            else:
                _predict_in_rows(predictor, image, out, name, formats, progress)
        except FAILURES as error:
            if isinstance(error, OSError) and (result is not None or isinstance(image, OnDisk)):
                raise  # a file cannot be written
            failed.append((path, str(error)))
            print_above(f"skipped {_told(path, str(error))}", stderr=True)
            continue
        done.append(path)
    collected.write()
    return Predicted(tuple(done), tuple(failed), out, masks, collected.notes())


def _told(path: Path, reason: str) -> str:
    """What went wrong with an image, its name once."""
    return reason if str(path) in reason else f"{path}: {reason}"


def _why_whole(predictor: Predictor, formats: Sequence[str]) -> str:
    """Why no image can be predicted in rows, if so."""
    takes = [format for format in formats if format not in ("overlay", "class-map")]
    if predictor.model.task != "semantic":
        takes.append(f"{predictor.model.task} segmentation")
    if predictor.postprocess:
        takes.append("postprocessing")
    return f"{' and '.join(takes)} can be had of whole images only" if takes else ""


def _read(path: Path, why_whole: str) -> Tensor | OnDisk:
    """The image; a large one in its file, where it can be predicted from there."""
    height, width = read_header(path, max_pixels=MAX_PIXELS_IN_ROWS).size
    if height * width <= LARGE:
        return read_image(path)
    try:
        if why_whole:
            raise ValueError(why_whole)
        return OnDisk(path)
    except (ImportError, ValueError) as reason:
        if height * width > MAX_PIXELS:
            raise ValueError(f"{path} has {width}x{height} pixels, too many to be held in memory: {reason}") from reason
        print_above(f"{path}: all {width}x{height} pixels are held in memory: {reason}", stderr=True)
        return read_image(path)


def _predict_in_rows(
    predictor: Predictor, image: OnDisk, out: Path, name: str, formats: Sequence[str], progress: bool
) -> None:
    height, width = image.size
    print_above(f"{image.path}: {width}x{height} pixels, from disk to disk", stderr=True)
    target = out / "class-map" / f"{name}.{'tif' if image.kind == 'TIFF' else 'png'}"
    result = predict_large(predictor, image, target if "class-map" in formats else None, progress=progress)
    if "overlay" in formats:
        save(result, out / "overlay" / f"{name}.jpg", image=image.reduced(result.size))


def _save_each(result: Segmentation, image: Tensor, out: Path, name: str, formats: Sequence[str]) -> None:
    for format in formats:
        suffix = ".png" if format == "overlay" and max(image.shape) > JPEG_SIDE else FORMATS[format]
        if format not in COLLECTED:
            save(result, out / format / f"{name}{suffix}", format, image=image)


def _check_formats(formats: Sequence[str], classes: Classes) -> None:
    for format in formats:
        if format not in FORMATS:
            raise ValueError(f"there is no format {format!r} for results; {suggest(format, FORMATS)}")
    if not formats:
        raise ValueError(f"no format was given: choose of {', '.join(FORMATS)}")
    if "class-map" in formats and len(classes) > MAX_CLASSES:
        raise ValueError(
            f"there are {len(classes)} classes, and a class map holds {MAX_CLASSES} at most: write label-map, coco, "
            "yolo or table"
        )


def _check_writable(out: Path) -> None:
    """Fails now rather than after the first image."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write into the folder {out}: {error.strerror}") from error


def _class_image(result: Segmentation) -> Image.Image:
    image = Image.fromarray(result.class_map().cpu().numpy()).convert("L")
    image.putpalette(palette(result.classes).tobytes())
    return image


def _write_numbers(result: Segmentation, path: Path) -> None:
    """The label map, and beside it the class of each of its numbers."""
    found, names = table.number_map(result)
    write_png(path, found)
    write_text(path.with_suffix(".json"), json.dumps(names))


def _write_polygons(result: Segmentation, path: Path) -> None:
    texts = Texts()
    texts.add(result, path)
    texts.warn()


def _write_image(image: Image.Image, path: Path) -> None:
    """Encoded in memory first, so that only whole files are written."""
    buffer = io.BytesIO()
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: images are written as .png, .jpg or .webp, not as {path.suffix or 'no suffix'!r}")
    image.save(buffer, kind, quality=92)
    write_bytes(path, buffer.getvalue())
