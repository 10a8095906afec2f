"""Which mask belongs to which image, from the names of folders and files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...images.file_names import IMAGE_SUFFIXES, file_not_found
from ...ops.phrases import counted, few

SPLITS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""What people call their splits, and what they are called here."""

_IMAGE = "images?|imgs?|images?|photos?|frames|inputs?|leftimg8bit"
_MASK = "masks?|labels?|annotations?|annots?|gt|gtfine|ground|truth|groundtruth|segmentations?|seg|targets?|labelids"
_GLUED = re.compile(f"({'|'.join(SPLITS)})({_IMAGE}|{_MASK})")
_MASK_ENDING = re.compile(
    r"(?i)([_\-. ](mask|masks|label|labels|gt|seg|segmentation|annotation|groundtruth|ground truth|l))+$"
)
_MASK_START = re.compile(r"(?i)^(mask|label|gt|seg)[_\-. ]")
_IMAGE_ENDING = re.compile(r"(?i)[_\-. ](image|img|leftimg8bit|sat|rgb|photo)$")
_MASKLIKE = (".png", ".gif", ".bmp", ".tif", ".tiff")
_NO_LIST = ("classes", "class_names", "labels", "labelmap", "label_names", "readme", "license", "requirements", "notes")


@dataclass(frozen=True)
class Pair:
    """An image, its mask, and the split that their place says they belong to."""

    image: Path
    mask: Path
    split: str | None = None


@dataclass(frozen=True)
class Pairs:
    """What a folder holds.

    Attributes:
        root: the folder.
        pairs: in the order of their names.
        layout: how they lie, in words.
        alone: images that ought to have a mask and have none.
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
        """The image's path below the root (below the common folder, where some lie outside), without its suffix."""
        return Path(os.path.relpath(pair.image, self._base)).with_suffix("").as_posix()


def find_pairs(path: Path) -> Pairs | None:
    """The images below a folder (or in a list file) that have masks; None when there are none.

    Looks for, in this order: list files of pairs (two paths a line); a folder of images and one of masks, in any
    nesting with the splits and under any of the usual names; masks beside their images (a.jpg and a.png, or a.png and
    a_mask.png).

    Raises:
        FileNotFoundError: there is no such folder, or a list names a file that is not there.
        ValueError: two files claim to be the mask of one image.
    """
    if not path.exists():
        raise file_not_found(path)
    listed = _listed_pairs(path)
    if listed or path.is_file():
        return listed
    folders = _images(path)
    return _in_two_folders(path, folders) or _side_by_side(path, folders)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that say something: no blank ones, no comments."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def text_files(root: Path, *suffixes: str) -> list[Path]:
    """The lists in a folder and in its `splits`: text files that are not about something else."""
    places = [folder for folder in (root, root / "splits") if folder.is_dir()]
    files = sorted(file for folder in places for file in folder.iterdir() if file.suffix.lower() in suffixes)
    return [file for file in files if file.is_file() and file.stem.lower() not in _NO_LIST]


def _listed_pairs(path: Path) -> Pairs | None:
    root = path.parent if path.is_file() else path
    pairs, lists = [], []
    for file in [path] if path.is_file() else text_files(root, ".txt", ".csv", ".tsv", ".lst"):
        found = [pair for number, line in enumerate(read_lines(file)) if (pair := _listed_pair(file, number, line))]
        if found:
            split = SPLITS.get(file.stem.lower(), file.stem if not path.is_file() else None)
            pairs += [replace(pair, split=split) for pair in found]
            lists.append(file.name)
    return Pairs(root.absolute(), tuple(pairs), f"pairs of paths listed in {few(lists)}") if pairs else None


def _listed_pair(file: Path, number: int, line: str) -> Pair | None:
    fields = next((parts for mark in ("\t", ",", None) if len(parts := line.split(mark)) >= 2), [])
    names = [field.strip().strip('"') for field in fields[:2]]
    if len(names) < 2 or not all(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        return None
    paths = []
    for name in names:
        places = [file.parent / name, file.parent / name.lstrip("/")]
        there = next((place for place in places if place.is_file()), None)
        if there is None:
            raise FileNotFoundError(f"{file}, entry {number + 1}: there is no {places[0]}; paths count from the list")
        paths.append(there.absolute())
    return Pair(paths[0], paths[1])


def _images(root: Path) -> dict[Path, list[Path]]:
    """Every folder below the root that holds images, with these; links are followed, hidden names are not."""
    folders: dict[Path, list[Path]] = {}
    seen = set()
    for folder, below, files in os.walk(root.absolute(), followlinks=True):
        real = os.path.realpath(folder)
        below[:] = sorted(name for name in below if not name.startswith(".")) if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        images = sorted(name for name in files if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."))
        if images:
            folders[Path(folder)] = [Path(folder, name) for name in images]
    return folders


def _meaning(parts: Sequence[str]) -> tuple[str | None, str | None, tuple[str, ...]]:
    """What the words of a path say: "image" or "mask", the split, and the words that are left."""
    role = split = None
    rest = []
    for part in parts:
        for word in re.split(r"[_\-. ]+", part.lower()):
            glued = _GLUED.fullmatch(word)
            for token in glued.groups() if glued else (word,):
                if token in SPLITS:
                    split = SPLITS[token]
                elif re.fullmatch(_MASK, token):
                    role = "mask"
                elif re.fullmatch(_IMAGE, token):
                    role = role or "image"
                elif token:
                    rest.append(token)
    return role, split, tuple(rest)


def _in_two_folders(root: Path, folders: dict[Path, list[Path]]) -> Pairs | None:
    meanings = {folder: _meaning(folder.relative_to(root.absolute()).parts) for folder in folders}
    pairs: list[Pair] = []
    used: list[str] = []
    unpaired: list[Path] = []
    orphans: list[Path] = []
    taken: dict[Path, Path] = {}
    for masks, (role, split, rest) in meanings.items():
        if role != "mask":
            continue
        partners = [
            f for f, (r, s, t) in meanings.items() if r != "mask" and t == rest and (s in (split, None) or not split)
        ]
        partners.sort(key=lambda f: (meanings[f][1] != split, meanings[f][0] != "image"))
        best = [f for f in partners if _fit(meanings[f], split) == _fit(meanings[partners[0]], split)]
        for images in best:
            if images in taken:
                raise ValueError(
                    f"both {taken[images]} and {masks} could hold the masks of {images}: move one of them away, "
                    "or list the pairs in train.txt and val.txt, two paths a line"
                )
            taken[images] = masks
            some, without, left = _match(folders[images], folders[masks])
            pairs += [Pair(image, mask, split or meanings[images][1]) for image, mask in some]
            unpaired += without
            orphans += left if len(best) == 1 else []
            used.append(f"{_relative(images, root)} + {_relative(masks, root)}")
    if not used:
        return None
    if not pairs:
        raise ValueError(
            f"no mask has the name of an image: {_relative(unpaired[0], root)}, but {_relative(orphans[0], root)}; "
            "an image and its mask must have the same name, up to the suffix and an ending such as _mask"
        )
    notes = (f"masks without an image were left out: {few(m.name for m in orphans)}",) if orphans else ()
    pairs.sort(key=lambda pair: pair.image)
    return Pairs(root.absolute(), tuple(pairs), f"images and masks in folders: {few(used, 4)}", tuple(unpaired), notes)


def _fit(meaning: tuple[str | None, str | None, tuple[str, ...]], split: str | None) -> tuple[bool, bool]:
    role, own, _ = meaning
    return own == split, role == "image"


def _match(images: list[Path], masks: list[Path]) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Pairs by name, images without a mask, masks without an image."""
    exact: dict[str, Path] = {}
    loose: dict[str, Path] = {}
    for mask in masks:
        for name, table in ((mask.stem, exact), (_plain(mask.stem), loose)):
            if table.setdefault(name, mask) != mask and table is exact:
                raise ValueError(f"two masks claim the same image: {table[name]} and {mask}; move one of them away")
    pairs, unpaired, seen = [], [], set()
    for image in images:
        if image.stem in seen:
            raise ValueError(f"two images are called {image.stem} in {image.parent}: rename one of them")
        seen.add(image.stem)
        found = exact.get(image.stem) or loose.get(image.stem) or loose.get(_IMAGE_ENDING.sub("", image.stem))
        pairs.append((image, found)) if found else unpaired.append(image)
    matched = {mask for _, mask in pairs}
    return pairs, unpaired, [mask for mask in masks if mask not in matched]


def _side_by_side(root: Path, folders: dict[Path, list[Path]]) -> Pairs | None:
    pairs: list[Pair] = []
    unpaired: list[Path] = []
    notes = []
    for folder, files in folders.items():
        split = _meaning(folder.relative_to(root.absolute()).parts)[1]
        some, without = _beside(files)
        pairs += [Pair(image, mask, split) for image, mask in some]
        if some:
            unpaired += without
        elif without:
            notes.append(f"{_relative(folder, root)} holds {counted(len(without), 'image')} and no mask: left out")
    if not pairs:
        return None
    pairs.sort(key=lambda pair: pair.image)
    first = pairs[0]
    layout = f"masks beside their images, as {first.image.name} and {first.mask.name}"
    return Pairs(root.absolute(), tuple(pairs), layout, tuple(unpaired), tuple(notes))


def _beside(files: list[Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_stem[file.stem].append(file)
    masks: dict[str, Path] = {}
    names = {name for stem in by_stem for name in (stem, _IMAGE_ENDING.sub("", stem))}
    for stem, same in by_stem.items():
        plain = _plain(stem)
        if plain != stem and plain in names:
            masks[plain] = same[0]
        elif len(same) == 2:
            likely = [s for suffix in _MASKLIKE for s in same if s.suffix.lower() == suffix]
            if likely:
                masks[stem] = likely[0]
    taken = set(masks.values())
    pairs, unpaired = [], []
    for file in files:
        if file in taken:
            continue
        beside = masks.get(file.stem) or masks.get(_IMAGE_ENDING.sub("", file.stem))
        pairs.append((file, beside)) if beside else unpaired.append(file)
    return pairs, unpaired


def _plain(stem: str) -> str:
    return _MASK_START.sub("", _MASK_ENDING.sub("", stem))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root.absolute()).as_posix()
