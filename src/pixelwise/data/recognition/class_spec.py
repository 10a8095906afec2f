"""Class specifications: what arguments, or a file beside the data, say about the classes before any mask is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...classes import VOID, Classes, Color
from ...ops.atomic_files import write_text
from .class_names import GivenClasses, GivenColors, GivenVoid, make_classes, parse_names
from .text_lists import read_lines

FILES = ("classes.json", "classes.txt", "class_names.txt", "labelmap.txt", "class_dict.csv")
"""Files that name the classes, looked for beside the data in this order."""

VOID_NAMES = ("void", "ignore", "__ignore__", "unlabeled", "unlabelled")
"""Names that stand for pixels of no class."""

_COLORS_EXPECTED = 'colors are given as "name=r,g,b;name=r,g,b", each from 0 to 255'
_NUMBERED_LINE = re.compile(r"(\d+)\s*[\s:,;=]\s*(\S.*)")


@dataclass(frozen=True)
class ClassSpec:
    """Knowledge about the classes before any mask is opened.

    Attributes:
        classes: names and order, if they are given.
        void: mask values that belong to no class, besides 255.
        values: (mask value, class) pairs, where the value is not simply the index of the class.
        colors: (mask colour, class) pairs; the class is VOID for colours of no class.
        source: where the specification comes from, for people.
    """

    classes: Classes | None = None
    void: tuple[int, ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[Color, int], ...] = ()
    source: str = ""


def read_class_spec(
    folder: Path, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> ClassSpec:
    """Specify classes by the arguments of `open_dataset`; by a file of names in `folder` for those that are None.

    Raises:
        ValueError: names are empty or repeated, a void value is not a number, or a colour is not three numbers.
    """
    spec = _from_folder(folder)
    if colors is not None:
        spec = _from_colors(_parse_colors(colors), "as stated")
    if classes is not None:
        named = classes if isinstance(classes, Classes) else make_classes(parse_names(classes))
        table = () if colors is None else _renumbered(spec, named)
        spec = ClassSpec(named, spec.void, colors=table, source="as stated")
    if void is not None:
        values = (void,) if isinstance(void, int) else tuple(void)
        if not all(isinstance(value, int) and 0 <= value < 65536 for value in values):
            raise ValueError(f"void is {void!r}: give the mask values that belong to no class, from 0 to 65535")
        spec = replace(spec, void=values)
    return spec


def write_classes(classes: Classes, void: Sequence[int], path: Path) -> None:
    """Write `classes.json`, which `read_class_spec` reads."""
    write_text(path, json.dumps({**classes.to_dict(), "void": list(void)}, indent=1) + "\n")


def _renumbered(spec: ClassSpec, named: Classes) -> tuple[tuple[Color, int], ...]:
    """The colours of a specification, with the classes numbered as in `named`."""
    assert spec.classes is not None
    table = []
    for color, k in spec.colors:
        if k == VOID:
            table.append((color, VOID))
            continue
        name = spec.classes.names[k]
        if name not in named.names:
            raise ValueError(f"colors name {name!r}, which classes do not: {', '.join(named.names)}")
        table.append((color, named.index(name)))
    return tuple(table)


def _parse_colors(colors: Mapping[str, Sequence[int]] | str) -> list[tuple[str, Color]]:
    """Parse "name=r,g,b;name=r,g,b", or a mapping from names to three numbers."""
    found = []
    if isinstance(colors, str):
        for part in colors.split(";"):
            text = part.strip()
            if text:
                name, _, value = text.partition("=")
                found.append((name.strip(), _parse_color(name.strip(), value.split(","), text)))
    else:
        for key, rgb in colors.items():
            numbers = [str(value) for value in rgb]
            found.append((str(key), _parse_color(str(key), numbers, f"{key}={','.join(numbers)}")))
    if not found:
        raise ValueError(f"{_COLORS_EXPECTED}, but nothing was given")
    return found


def _parse_color(name: str, numbers: Sequence[str], text: str) -> Color:
    valid = all(re.fullmatch(r"\s*\d{1,3}\s*", number) and int(number) < 256 for number in numbers)
    if not name or len(numbers) != 3 or not valid:
        raise ValueError(f"{_COLORS_EXPECTED}, not {text}")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _from_colors(colors: Sequence[tuple[str, Color]], source: str) -> ClassSpec:
    """Classes in the order of their first colours; several colours may have one name."""
    names = list(dict.fromkeys(name for name, _ in colors if name.lower() not in VOID_NAMES))
    first = dict(reversed(colors))
    classes = make_classes(names, colors=[first[name] for name in names])
    table = tuple((color, names.index(name) if name in names else VOID) for name, color in colors)
    return ClassSpec(classes, colors=table, source=source)


def _from_folder(folder: Path) -> ClassSpec:
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        return _from_splits(folder)
    try:
        return _from_file(path)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path} should name the classes, but it does not: {error}") from error


def _from_splits(folder: Path) -> ClassSpec:
    """Classes by Roboflow's `_classes.csv` in the folder or in each split: lines "value, name" below a heading."""
    specs: dict[Path, ClassSpec] = {}
    for path in sorted([*folder.glob("_classes.csv"), *folder.glob("*/_classes.csv")]):
        heading, *lines = read_lines(path) or [""]
        # Roboflow writes a file of this name for the classification of images too, with another heading.
        if heading.lower().startswith("pixel value"):
            specs[path] = _from_names(lines, path.name)
    first = next(iter(specs), None)
    if first is None:
        return ClassSpec()
    other = next((path for path in specs if specs[path] != specs[first]), None)
    if other is not None:
        raise ValueError(f"{first} and {other} name different classes: open one split at a time, or give --classes")
    return specs[first]


def _from_file(path: Path) -> ClassSpec:
    if path.name == "classes.json":
        return _from_json(json.loads(path.read_text(encoding="utf-8-sig")), path.name)
    if path.name == "labelmap.txt":  # CVAT's: name:r,g,b:parts:actions
        rows = [line.split(":") for line in read_lines(path)]
        return _from_texts({row[0]: row[1].split(",") for row in rows}, path.name)
    if path.name == "class_dict.csv":  # name,r,g,b below a heading
        rows = [line.split(",") for line in read_lines(path)[1:]]
        return _from_texts({row[0].strip(): row[1:4] for row in rows}, path.name)
    return _from_names(read_lines(path), path.name)


def _from_texts(rows: Mapping[str, Sequence[str]], source: str) -> ClassSpec:
    """Classes by the texts of their red, green and blue."""
    if not rows:
        raise ValueError(f"{_COLORS_EXPECTED}, but nothing was given")
    colors = [(name, _parse_color(name, rgb, f"{name}={','.join(rgb)}")) for name, rgb in rows.items()]
    return _from_colors(colors, source)


def _from_names(lines: list[str], source: str) -> ClassSpec:
    """Classes in the order of the lines, or with the numbers that begin them."""
    numbered = [match for match in map(_NUMBERED_LINE.fullmatch, lines) if match]
    if lines and len(numbered) == len(lines):
        return _from_values({int(match[1]): match[2].strip() for match in numbered}, source)
    names = [line for line in lines if line != "__ignore__"]
    return ClassSpec(make_classes(names), source=source)


def _from_values(names: Mapping[int, str], source: str) -> ClassSpec:
    """Classes by their mask values, in ascending order."""
    kept = {value: name for value, name in sorted(names.items()) if name.lower() not in VOID_NAMES}
    return ClassSpec(
        make_classes(list(kept.values())),
        void=tuple(sorted(set(names) - set(kept))),
        values=tuple((value, k) for k, value in enumerate(kept)),
        source=source,
    )


def _from_json(content: Any, source: str) -> ClassSpec:
    if isinstance(content, list):
        return ClassSpec(make_classes([str(name) for name in content]), source=source)
    if isinstance(content, dict):
        if isinstance(content.get("names"), list):
            return _from_record(content, source)
        if all(isinstance(value, list) for value in content.values()):
            return _from_colors(_parse_colors(content), source)
        if all(str(key).isdigit() for key in content):
            return _from_values({int(key): str(name) for key, name in content.items()}, source)
    raise ValueError('wanted ["background", "cell"], {"0": "background", "1": "cell"} or {"cell": [255, 0, 0]}')


def _from_record(content: Mapping[str, Any], source: str) -> ClassSpec:
    """Classes as `write_classes` writes them, or their names alone."""
    void = tuple(int(value) for value in content.get("void", ()))
    whole = "things" in content and "colors" in content
    classes = Classes.from_dict(content) if whole else make_classes(content["names"])
    return ClassSpec(classes, void, source=source)
