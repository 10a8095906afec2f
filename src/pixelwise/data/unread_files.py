"""Files that lie where no format was recognised, and what to do about them."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..images.file_names import IMAGE_SUFFIXES
from ..ops.phrases import counted, few

_RUN_LENGTHS = ("encodedpixels", "rle", "rle_mask", "mask_rle", "segmentation", "annotation")
"""Headings of columns of run lengths in the CSV files of competitions, lower case."""

_ADVICE = {
    ".csv": "",
    ".json": "annotations in JSON may be those of a tool that exports COCO or masks: export them again",
    ".xml": "annotations in XML may hold boxes only (VOC detection), which are no masks; tools export COCO or masks",
    ".mat": "MATLAB files are not read: save each label matrix as PNG",
    ".npy": "arrays are not read: save each as PNG or TIFF",
    ".npz": "arrays are not read: save each as PNG or TIFF",
    ".h5": "HDF5 is not read: save images and masks as PNG or TIFF",
    ".hdf5": "HDF5 is not read: save images and masks as PNG or TIFF",
    ".nii": "volumes are not read: save slices as PNG or TIFF",
    ".gz": "volumes and archives are not read: save slices as PNG or TIFF, or unpack",
    ".dcm": "DICOM is not read: save slices as PNG or TIFF",
    ".zip": "archives are not read: unpack them",
    ".tar": "archives are not read: unpack them",
    ".parquet": "Parquet is not read: save images and masks as files",
    ".txt": "texts may be YOLO's labels, which need data.yaml, or a list of pairs, two paths a line",
}
"""What to do about files, by their suffix."""


def describe_unread(path: Path) -> str:
    """Describe the files below a folder in a sentence or two, with what to do about them; empty if there are none."""
    if not path.is_dir():
        return ""
    files = _files(path)
    tables = [file for file in files if file.suffix.lower() == ".csv" and _run_length_column(file)]
    if tables:
        column = _run_length_column(tables[0])
        return (
            f"{tables[0].relative_to(path.absolute())} holds run lengths in its column {column}, which are not read, "
            "because sites differ in their order (by columns or by rows): write a PNG mask for each image first"
        )
    counts = Counter(file.suffix.lower() for file in files)
    images = sum(counts.pop(suffix, 0) for suffix in IMAGE_SUFFIXES)
    others = [(suffix, number) for suffix, number in counts.most_common() if suffix]
    if not images and not others:
        return ""
    found = [counted(images, "image")] + [counted(number, f"{suffix} file") for suffix, number in others]
    advice = next((_ADVICE[suffix] for suffix, _ in others if _ADVICE.get(suffix)), "")
    if not others:
        advice = "their masks are elsewhere, or have other names: state both folders with --images and --masks"
    return f"it holds {few(found)}" + (f": {advice}" if advice else "")


def _files(path: Path) -> list[Path]:
    """All files below a folder that are not hidden, at most a hundred thousand."""
    files: list[Path] = []
    for folder, below, names in os.walk(path.absolute()):
        below[:] = sorted(name for name in below if not name.startswith("."))
        files += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
        if len(files) > 100_000:
            break
    return files


def _run_length_column(file: Path) -> str | None:
    """The heading of the column of run lengths in a CSV file; None if it has none."""
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            rows = csv.reader(lines)
            heading, first = next(rows, []), next(rows, [])
    except csv.Error:
        return None
    for k, title in enumerate(heading):
        if title.strip().lower() in _RUN_LENGTHS and (title.strip().lower() in _RUN_LENGTHS[:4] or _are_runs(first, k)):
            return title.strip()
    return None


def _are_runs(row: Sequence[str], k: int) -> bool:
    """Tell whether a field holds an even number of integers."""
    numbers = row[k].split() if k < len(row) else []
    return len(numbers) > 0 and len(numbers) % 2 == 0 and all(number.isdigit() for number in numbers)
