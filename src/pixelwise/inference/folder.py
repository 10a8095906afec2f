"""Prediction of many images: files, folders and patterns in, a folder of result files out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..console import print_above, track
from ..images.header import MAX_PIXELS, read_header
from ..images.intensity import IntensityRange
from ..images.read_ahead import read_ahead
from ..images.reading import read_image
from ..images.rows import MAX_PIXELS_IN_ROWS, OnDisk
from ..models.base import Model, SemanticModel
from ..postprocess.split_touching import SPLITS
from ..writers.formats import DEFAULT_FORMATS, WRITERS, writer_of
from ..writers.objects_table import TableWriter
from ..writers.writer import Writer
from .detection_limit import limit_notes, reaches_limit
from .large import STREAMING_THRESHOLD, predict_large
from .predictor import FAILURES, Predictor
from .sources import describe_unreadable, find_images

STREAMED_FORMATS = ("overlay", "class-map")
"""The formats that can be written without the whole result in memory."""


@dataclass(frozen=True)
class Predicted:
    """The outcome of `predict_files`.

    Attributes:
        done: the images whose results are written.
        failed: the other images, each with the reason.
        out: the folder of the results.
        masks: the files in folders that were left out, as they are masks of the images beside them.
        notes: sentences for people about objects that may be missing, and on what the formats could not hold.
        unreadable: images in folders that were left out, as they cannot be read here: HEIC, raw data of cameras.
    """

    done: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    out: Path
    masks: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    unreadable: tuple[Path, ...] = ()

    def summary(self) -> str:
        """Return a line for the total, one for the masks that were left out, the notes, and a line for each failure."""
        lines = [f"{len(self.done)} of {len(self.done) + len(self.failed)} images done, results in {self.out}"]
        if self.masks:
            lines.append(f"{len(self.masks)} masks beside images left out, such as {self.masks[0]}")
        if self.unreadable:
            lines.append(describe_unreadable(self.unreadable))
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"failed: {_failure(path, reason)}" for path, reason in self.failed]
        return "\n".join(lines)


def predict_files(
    model: Model | Predictor,
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    progress: bool = True,
    split_objects: str = "components",
) -> Predicted:
    """Predict images and write the results below a folder: `out/FORMAT/NAME.suffix`.

    Some formats hold all images in one file: `out/coco.json`, `out/coco-panoptic.json`, `out/table.csv` with the totals
    of the classes in `out/class_totals.csv`. The texts of YOLO are in `out/yolo/labels` beside `out/yolo/data.yaml`:
    put the images into `out/yolo/images`, and it is a data set.

    An image that cannot be read or computed is reported on stderr and skipped. Images are read in a second thread
    while the model computes. An image of more than `STREAMING_THRESHOLD` pixels is streamed from disk to disk in bands
    of rows if possible (rasterio is installed, the model is semantic, and only class maps and overlays are written):
    the class map of a TIFF is a GeoTIFF of the same place, the overlay is reduced. Otherwise the image is read whole
    and may have at most `MAX_PIXELS` pixels.

    Args:
        model: a model, or a `Predictor`, which states the device, the tiles, the score threshold, ….
        sources: files, folders (with everything below them except masks beside their images: a.png beside a.jpg, or
            a_mask.png), patterns such as "new/*.tif" or "new/**/*.png".
        out: the folder for the results; created if missing, files of the same name are replaced.
        formats: keys of `WRITERS`; by default `DEFAULT_FORMATS` of the model's task.
        progress: whether progress is shown on stderr: a bar on a terminal, elsewhere a line for each tenth.
        split_objects: how the table tells the objects of a semantic model apart: "components" for connected components,
            "watershed" to part touching ones too.

    Raises:
        TypeError: if objects are to be split in another way than by components for a model that finds objects.
        FileNotFoundError: a source does not exist.
        OSError: the folder or a file in it cannot be written, for instance because the disk is full.
        ValueError: for an unknown format, for sources without images, for two that would write the same files.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    out = Path(out)
    writers = _open_writers(predictor, out, formats)
    _set_split(predictor, writers, split_objects)
    files = find_images([sources] if isinstance(sources, str | os.PathLike) else sources, out, WRITERS)
    _check_writable(out)
    done, failed, full = _predict_each(predictor, files.images, out, writers, progress)
    notes = limit_notes(predictor.model, full)
    for writer in writers:
        writer.close()
        notes += writer.notes()
    return Predicted(tuple(done), tuple(failed), out, files.masks, tuple(notes), files.unreadable)


def _predict_each(
    predictor: Predictor, images: Mapping[str, Path], out: Path, writers: Sequence[Writer], progress: bool
) -> tuple[list[Path], list[tuple[Path, str]], list[str]]:
    """Predict and write image by image.

    Args:
        predictor: the predictor.
        images: the images by the names of their results.
        out: the folder of the results.
        writers: the writers of all formats.
        progress: whether progress is shown.

    Returns:
        The images that are done; those that failed, with the reason; and the names of those with as many detections
        as the model gives at most.
    """
    done: list[Path] = []
    full: list[str] = []
    failed: list[tuple[Path, str]] = []
    items = list(images.items())
    reason_to_read_whole = _reason_to_read_whole(predictor, writers)
    reading = read_ahead(items, lambda item: _read(item[1], reason_to_read_whole, predictor.intensity))
    for (name, path), read in track(reading, "predict", len(items), show=progress):
        image, result = None, None
        try:
            image = read()
            if isinstance(image, Tensor):
                result = predictor(image)
                if reaches_limit(predictor.model, result):
                    full.append(path.name)
                for writer in writers:
                    writer.add(name + path.suffix, result, image)
            else:
                _stream(predictor, image, out, name, writers, progress)
        except FAILURES as error:
            # Once there is a result, or an open file, an OSError is about writing: the next image would fail as well.
            if isinstance(error, OSError) and (result is not None or isinstance(image, OnDisk)):
                raise
            failed.append((path, str(error)))
            print_above(f"skipped {_failure(path, str(error))}", stderr=True)
        else:
            done.append(path)
    return done, failed, full


def _open_writers(predictor: Predictor, out: Path, formats: Sequence[str] | None) -> list[Writer]:
    """Make the writer of each format.

    Raises:
        ValueError: for an unknown format, for none, for more classes than a format can hold.
    """
    if formats is None:
        formats = DEFAULT_FORMATS[predictor.model.task]
    if not formats:
        raise ValueError(f"no format was given: choose of {', '.join(WRITERS)}")
    return [writer_of(format).for_folder(out, predictor.model.classes) for format in dict.fromkeys(formats)]


def _set_split(predictor: Predictor, writers: Sequence[Writer], split_objects: str) -> None:
    """Tell the table how the objects of a class are told apart.

    Raises:
        TypeError: the model finds objects, which are not split.
        ValueError: there is no such way to split.
    """
    if split_objects not in SPLITS:
        raise ValueError(f"objects are split by {' or '.join(SPLITS)}, not by {split_objects!r}")
    is_semantic = isinstance(predictor.model, SemanticModel)
    if not is_semantic and split_objects != "components":
        raise TypeError(f"{predictor.model.method} finds objects, each by itself: leave out split_objects")
    for writer in writers:
        if isinstance(writer, TableWriter):
            writer.split = split_objects if is_semantic else "segments"


def _failure(path: Path, reason: str) -> str:
    """Describe why an image failed, naming the image once."""
    return reason if str(path) in reason else f"{path}: {reason}"


def _reason_to_read_whole(predictor: Predictor, writers: Sequence[Writer]) -> str:
    """Return why images cannot be streamed from disk to disk; empty if they can."""
    obstacles = [writer.name for writer in writers if writer.name not in STREAMED_FORMATS]
    obstacles += predictor.obstacles_to_streaming()
    return f"{' and '.join(obstacles)} can be had of whole images only" if obstacles else ""


def _read(path: Path, reason_to_read_whole: str, intensity: IntensityRange | None) -> Tensor | OnDisk:
    """Read an image, or open a large one for streaming where that is possible."""
    height, width = read_header(path, max_pixels=MAX_PIXELS_IN_ROWS).size
    if height * width <= STREAMING_THRESHOLD:
        return read_image(path, intensity=intensity)
    try:
        if reason_to_read_whole:
            raise ValueError(reason_to_read_whole)
        return OnDisk(path, intensity=intensity)
    except (ImportError, ValueError) as reason:
        if height * width > MAX_PIXELS:
            raise ValueError(f"{path} has {width}x{height} pixels, too many to be held in memory: {reason}") from reason
        print_above(f"{path}: all {width}x{height} pixels are held in memory: {reason}", stderr=True)
        return read_image(path, intensity=intensity)


def _stream(
    predictor: Predictor, image: OnDisk, out: Path, name: str, writers: Sequence[Writer], progress: bool
) -> None:
    """Predict a large image from disk to disk: its class map in bands of rows, its overlay reduced."""
    height, width = image.size
    print_above(f"{image.path}: {width}x{height} pixels, from disk to disk", stderr=True)
    by_name = {writer.name: writer for writer in writers}
    class_map = None
    if "class-map" in by_name:
        class_map = out / "class-map" / f"{name}.{'tif' if image.kind == 'TIFF' else 'png'}"
    result = predict_large(predictor, image, class_map, progress=progress)
    if "overlay" in by_name:
        by_name["overlay"].add(name + image.path.suffix, result, image.reduced(result.size))


def _check_writable(out: Path) -> None:
    """Fail before the first prediction rather than after it.

    Raises:
        OSError: files cannot be written into this folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write into the folder {out}: {error.strerror}") from error
