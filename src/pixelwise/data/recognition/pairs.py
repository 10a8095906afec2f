"""Pairs of an image and its mask, found by the names of folders and files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...images.file_names import IMAGE_SUFFIXES, file_not_found
from ...ops.phrases import counted, few
from .field_of_view import check_no_field_of_view
from .loose_folders import loose_partners
from .name_matching import match_names
from .path_words import SPLIT_NAMES, FolderMeaning, folder_meaning, plain_image_name, plain_mask_name
from .text_lists import list_files, read_lines
from .varying_names import match_in_one_folder

_MASK_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of masks that lie beside an image of the same name, the likeliest first."""


@dataclass(frozen=True)
class Pair:
    """An image, its mask, and the split that their place implies."""

    image: Path
    mask: Path
    split: str | None = None


@dataclass(frozen=True)
class Pairs:
    """Images with masks in a folder.

    Attributes:
        root: the folder.
        pairs: the pairs, ordered by name.
        layout: how the files are arranged, in words.
        unpaired: images that should have a mask and have none.
        notes: what was left out.
    """

    root: Path
    pairs: tuple[Pair, ...]
    layout: str
    unpaired: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def _base(self) -> str:
        parents = {str(pair.image.parent) for pair in self.pairs}
        common = os.path.commonpath([str(self.root), *parents])
        return common if common == str(self.root) else os.path.commonpath(list(parents))

    def name(self, pair: Pair) -> str:
        """The image's path below the root (below the common folder, if some lie outside), without its suffix."""
        return Path(os.path.relpath(pair.image, self._base)).with_suffix("").as_posix()


def find_pairs(path: Path) -> Pairs | None:
    """Find the images below a folder, or in a list file, that have masks; None if there are none.

    Looks for, in this order: list files of pairs (two paths a line); a folder of images and one of masks, in any
    nesting with the splits and under any of the usual names; masks beside their images (a.jpg and a.png, or a.png and
    a_mask.png); a folder of masks and one of images whose other words differ (train-org-img and train-label-img), or of
    which only one has a usual name; masks beside their images whose names differ by other words (image_0 and mask_0).

    Raises:
        FileNotFoundError: there is no such folder, or a list names a file that does not exist.
        ValueError: two files or folders claim to be the mask of one image, or a folder of masks holds fields of view.
    """
    if not path.exists():
        raise file_not_found(path)
    listed = _listed_pairs(path)
    if listed or path.is_file():
        return listed
    folders = images_by_folder(path)
    return (
        _in_two_folders(path, folders)
        or _side_by_side(path, folders, _match_beside)
        or _in_loose_folders(path, folders)
        or _side_by_side(path, folders, _match_varying_beside)
    )


def _listed_pairs(path: Path) -> Pairs | None:
    if path.is_file():
        root, files = path.parent, [path]
    else:
        root, files = path, list_files(path, ".txt", ".csv", ".tsv", ".lst")
    pairs: list[Pair] = []
    used: list[str] = []
    for file in files:
        entries = [_listed_pair(file, number, line) for number, line in enumerate(read_lines(file))]
        listed = [entry for entry in entries if entry]
        if listed:
            # A list that was named itself is no split, unless it is called one.
            split = SPLIT_NAMES.get(file.stem.lower(), None if path.is_file() else file.stem)
            pairs += [replace(pair, split=split) for pair in listed]
            used.append(file.name)
    if not pairs:
        return None
    return Pairs(root.absolute(), tuple(pairs), f"pairs of paths listed in {few(used)}")


def _listed_pair(file: Path, number: int, line: str) -> Pair | None:
    """The pair of one line of a list; None if the line does not begin with two names of images."""
    names = [field.strip().strip('"') for field in _fields(line)[:2]]
    if len(names) < 2 or not all(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        return None
    paths = []
    for name in names:
        # Some lists write paths from the data's root with a slash before them, as DeepLab's of VOC.
        places = [file.parent / name, file.parent / name.lstrip("/")]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise FileNotFoundError(f"{file}, entry {number + 1}: there is no {places[0]}; paths count from the list")
        paths.append(there.absolute())
    return Pair(paths[0], paths[1])


def _fields(line: str) -> list[str]:
    """The fields of a line, separated by tabs, else by commas, else by spaces."""
    for separator in ("\t", ",", None):
        fields = line.split(separator)
        if len(fields) >= 2:
            return fields
    return []


def images_by_folder(root: Path) -> dict[Path, list[Path]]:
    """Images in each folder below the root; links are followed, hidden files and folders are skipped."""
    folders: dict[Path, list[Path]] = {}
    seen = set()
    for folder, below, files in os.walk(root.absolute(), followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()  # a link back to a folder above: os.walk must not go in again
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        images = sorted(name for name in files if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."))
        if images:
            folders[Path(folder)] = [Path(folder, name) for name in images]
    return folders


def _in_two_folders(root: Path, folders: dict[Path, list[Path]]) -> Pairs | None:
    """Pairs of a folder of images and one of masks."""
    meanings = {folder: folder_meaning(folder.relative_to(root.absolute()).parts) for folder in folders}
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    orphans: list[Path] = []
    used: list[str] = []
    notes: list[str] = []
    masks_of: dict[Path, Path] = {}
    for masks, meaning in meanings.items():
        if meaning.role != "mask":
            continue
        partners = _image_folders(meaning, meanings)
        for images in partners:
            if images in masks_of:
                raise ValueError(
                    f"both {masks_of[images]} and {masks} could hold the masks of {images}: move one of them away, "
                    "or list the pairs in train.txt and val.txt, two paths a line"
                )
            masks_of[images] = masks
            check_no_field_of_view(images, masks, folders, root)
            matches = match_names(folders[images], folders[masks])
            split = meaning.split or meanings[images].split
            pairs += [Pair(image, mask, split) for image, mask in matches.pairs]
            unpaired += matches.unpaired
            if len(partners) == 1:  # of several, another one may hold the image of a mask
                orphans += matches.orphans
            notes += [matches.note] if matches.note else []
            used.append(f"{_relative(images, root)} + {_relative(masks, root)}")
    if not used:
        return None
    if not pairs:
        raise ValueError(
            f"no mask has the name of an image: {_relative(unpaired[0], root)}, but {_relative(orphans[0], root)}; "
            "an image and its mask must have the same name, up to the suffix and an ending such as _mask"
        )
    notes += _note_orphans(orphans)
    layout = f"images and masks in folders: {few(used, 4)}"
    return Pairs(root.absolute(), _by_name(pairs), layout, tuple(unpaired), tuple(dict.fromkeys(notes)))


def _note_orphans(masks: list[Path]) -> tuple[str, ...]:
    return (f"masks without an image were left out: {few(mask.name for mask in masks)}",) if masks else ()


def _image_folders(masks: FolderMeaning, meanings: dict[Path, FolderMeaning]) -> list[Path]:
    """The folders that best fit a folder of masks: of its split rather than of any, called images rather than not."""
    ranks: dict[Path, tuple[bool, bool]] = {}
    for folder, meaning in meanings.items():
        if meaning.role == "mask" or meaning.rest != masks.rest:
            continue
        if masks.split and meaning.split not in (masks.split, None):
            continue
        ranks[folder] = (meaning.split != masks.split, meaning.role != "image")
    if not ranks:
        return []
    best = min(ranks.values())
    return [folder for folder, rank in ranks.items() if rank == best]


def _in_loose_folders(root: Path, folders: dict[Path, list[Path]]) -> Pairs | None:
    """Pairs of a folder of images and one of masks, of which the names of files and few words of folders tell."""
    partners = loose_partners(folders, root)
    if not partners:
        return None
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    orphans: list[Path] = []
    for images, masks in partners:
        check_no_field_of_view(images, masks, folders, root)
        matches = match_names(folders[images], folders[masks])
        meanings = [folder_meaning(folder.relative_to(root.absolute()).parts) for folder in (masks, images)]
        split = meanings[0].split or meanings[1].split
        pairs += [Pair(image, mask, split) for image, mask in matches.pairs]
        unpaired += matches.unpaired
        orphans += matches.orphans
    used = [f"{_relative(images, root)} + {_relative(masks, root)}" for images, masks in partners]
    first = pairs[0]
    layout = f"images and masks in folders, as {first.image.name} with {first.mask.name}: {few(used, 4)}"
    return Pairs(root.absolute(), _by_name(pairs), layout, tuple(unpaired), _note_orphans(orphans))


def _side_by_side(
    root: Path,
    folders: dict[Path, list[Path]],
    match: Callable[[list[Path]], tuple[list[tuple[Path, Path]], list[Path]]],
) -> Pairs | None:
    """Pairs of an image and a mask in one folder."""
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    notes = []
    for folder, files in folders.items():
        split = folder_meaning(folder.relative_to(root.absolute()).parts).split
        matched, without = match(files)
        pairs += [Pair(image, mask, split) for image, mask in matched]
        if matched:
            unpaired += without
        elif without:
            notes.append(f"{_relative(folder, root)} holds {counted(len(without), 'image')} and no mask: left out")
    if not pairs:
        return None
    ordered = _by_name(pairs)
    layout = f"masks beside their images, as {ordered[0].image.name} and {ordered[0].mask.name}"
    return Pairs(root.absolute(), ordered, layout, tuple(unpaired), tuple(notes))


def _match_beside(files: list[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Match the images of one folder with masks in the same folder; also the images without a mask."""
    masks = _masks_beside(files)
    chosen = set(masks.values())
    pairs: list[tuple[Path, Path]] = []
    unpaired: list[Path] = []
    for file in files:
        if file in chosen:
            continue
        mask = masks.get(file.stem) or masks.get(plain_image_name(file.stem))
        if mask:
            pairs.append((file, mask))
        else:
            unpaired.append(file)
    return pairs, unpaired


def _match_varying_beside(files: list[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Match images with masks in the same folder by the varying part of their names."""
    pairs = match_in_one_folder(files)
    matched = {file for pair in pairs for file in pair}
    return pairs, [file for file in files if file not in matched]


def _masks_beside(files: list[Path]) -> dict[str, Path]:
    """Files that are the mask of another one, by the name of its image."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_stem[file.stem].append(file)
    names = set(by_stem) | {plain_image_name(stem) for stem in by_stem}
    masks: dict[str, Path] = {}
    for stem, same in by_stem.items():
        plain = plain_mask_name(stem)
        if plain != stem and plain in names:
            masks[plain] = same[0]
        elif len(same) == 2:
            likely = [file for file in same if file.suffix.lower() in _MASK_SUFFIXES]
            if likely:
                masks[stem] = min(likely, key=lambda file: _MASK_SUFFIXES.index(file.suffix.lower()))
    return masks


def _by_name(pairs: list[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda pair: pair.image))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root.absolute()).as_posix()
