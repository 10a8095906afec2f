"""What people say about their classes: on the command line, or in a file beside the data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...classes import VOID, Classes, Color, palette
from ...ops.atomic_files import write_text
from ...ops.names import suggest
from .pairs import read_lines

FILES = ("classes.json", "classes.txt", "class_names.txt", "labelmap.txt", "class_dict.csv")
"""Files that name the classes, looked for beside the data in this order."""

GivenClasses = Classes | Sequence[str] | str | None
"""What `open_dataset` takes as `classes`; the same for the next two."""

GivenVoid = int | Sequence[int] | None
GivenColors = Mapping[str, Sequence[int]] | str | None

_VOID_NAMES = ("void", "ignore", "__ignore__", "unlabeled", "unlabelled")


@dataclass(frozen=True)
class ClassSpec:
    """What is known of the classes before any mask is opened.

    Attributes:
        classes: names and order, if somebody said.
        void: values of mask pixels that belong to no class, beside 255.
        values: which value of a mask is which class, where it is not simply the class's place.
        colors: which colour of a mask is which class (VOID for none).
        source: who said so, for people.
    """

    classes: Classes | None = None
    void: tuple[int, ...] = ()
    values: tuple[tuple[int, int], ...] = ()
    colors: tuple[tuple[Color, int], ...] = ()
    source: str = ""


def stated(folder: Path, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None) -> ClassSpec:
    """What the arguments of `open_dataset` say; for the rest, the file of names in `folder`.

    Raises:
        ValueError: for repeated or empty names, a void that is not a number, a colour that is not three numbers.
    """
    known = _from_folder(folder)
    if colors is not None:
        known = _from_colors(_parse_colors(colors), "as stated")
    if classes is not None:
        named = classes if isinstance(classes, Classes) else make_classes(_split(classes))
        table: tuple[tuple[Color, int], ...] = ()
        if colors is not None:
            names = [known.classes.names[k] if k != VOID else "" for _, k in known.colors] if known.classes else []
            unknown = [name for name in names if name and name not in named.names]
            if unknown:
                raise ValueError(f"colors name {unknown[0]!r}, which classes do not: {', '.join(named.names)}")
            table = tuple((c, named.index(n) if n else VOID) for (c, _), n in zip(known.colors, names, strict=True))
        known = ClassSpec(named, known.void, colors=table, source="as stated")
    if void is not None:
        values = (void,) if isinstance(void, int) else tuple(void)
        if not all(isinstance(value, int) and 0 <= value < 65536 for value in values):
            raise ValueError(f"void is {void!r}: give the mask values that belong to no class, from 0 to 65535")
        known = replace(known, void=values)
    return known


def make_classes(names: Sequence[str], things: Sequence[bool] = (), colors: Sequence[Color] = ()) -> Classes:
    """Classes of these names; one that is called background is the background."""
    plain = [name.strip("_ ").lower() for name in names]
    background = plain.index("background") if "background" in plain else None
    return Classes(tuple(names), tuple(colors), tuple(things), background)


def two_classes(name: str = "foreground", thing: bool = False) -> Classes:
    """The background and one class more."""
    return make_classes(("background", name), (False, thing))


def nothing(objects: Sequence[str]) -> str:
    """What to call the background of objects of these names."""
    return next(name for name in ("background", "nothing", "no category") if name not in objects)


def of_objects(every: Sequence[str], wanted: GivenClasses, where: str) -> Classes:
    """A background and the kinds of objects that are wanted, of `every` kind there is; all of them by default.

    Args:
        every: the names of the categories, none of them the background.
        wanted: those to keep, in this order, with the background's name before them or not.
        where: the file, for the error.

    Raises:
        ValueError: a name is none of them.
    """
    if isinstance(wanted, Classes):
        chosen = wanted
    else:
        names = [name.strip() for name in (wanted.split(",") if isinstance(wanted, str) else wanted or every)]
        background = nothing(every)
        if wanted is not None and len(names) > 1 and names[0] not in every:
            background, *names = names
        colors = ((0, 0, 0), *palette(len(names)))
        chosen = Classes((background, *names), colors, (False, *(True for _ in names)), 0)
    objects = [name for k, name in enumerate(chosen.names) if k != chosen.background]
    _check_known(objects, every, f"{where} has no category")
    return chosen


def subset(every: Classes, wanted: Sequence[str] | str, lacks: str) -> Classes:
    """Those of the classes that are wanted, in this order.

    Raises:
        ValueError: there is no such class; the error begins with `lacks`, as "Cityscapes has no class".
    """
    names = tuple(name.strip() for name in (wanted.split(",") if isinstance(wanted, str) else wanted))
    _check_known(names, every.names, lacks)
    return every.select([every.index(name) for name in names])


def write_classes(classes: Classes, void: Sequence[int], path: Path) -> None:
    """`classes.json` as `stated` reads it."""
    write_text(path, json.dumps({**classes.to_dict(), "void": list(void)}, indent=1) + "\n")


def _check_known(names: Sequence[str], every: Sequence[str], lacks: str) -> None:
    unknown = next((name for name in names if name not in every), None)
    if unknown is not None:
        raise ValueError(f"{lacks} {unknown!r}; {suggest(unknown, every)}")


def _split(names: Sequence[str] | str) -> tuple[str, ...]:
    parts = names.split(",") if isinstance(names, str) else names
    if not all(isinstance(part, str) and part.strip() for part in parts) or not parts:
        raise ValueError(f"classes are {names!r}: give names, for example background,cell")
    return tuple(part.strip() for part in parts)


def _parse_colors(colors: Mapping[str, Sequence[int]] | str) -> list[tuple[str, Color]]:
    what = 'colors are given as "name=r,g,b;name=r,g,b", each from 0 to 255'
    if isinstance(colors, str):
        texts = [part.strip() for part in colors.split(";") if part.strip()]
        parts = [text.partition("=") for text in texts]
        given = [(name.strip(), value.split(",")) for name, _, value in parts]
    else:
        given = [(str(name), [str(value) for value in rgb]) for name, rgb in colors.items()]
        texts = [f"{name}={','.join(rgb)}" for name, rgb in given]
    found: list[tuple[str, Color]] = []
    for text, (name, rgb) in zip(texts, given, strict=True):
        if not name or len(rgb) != 3 or not all(re.fullmatch(r"\s*\d{1,3}\s*", v) and int(v) < 256 for v in rgb):
            raise ValueError(f"{what}, not {text}")
        found.append((name, (int(rgb[0]), int(rgb[1]), int(rgb[2]))))
    if not found:
        raise ValueError(f"{what}, but nothing was given")
    return found


def _from_colors(found: Sequence[tuple[str, Color]], source: str) -> ClassSpec:
    names = list(dict.fromkeys(name for name, _ in found if name.lower() not in _VOID_NAMES))
    first = dict(reversed(found))
    classes = make_classes(names, colors=[first[name] for name in names])
    return ClassSpec(
        classes, colors=tuple((c, names.index(n) if n in names else VOID) for n, c in found), source=source
    )


def _from_folder(folder: Path) -> ClassSpec:
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        return ClassSpec()
    try:
        if path.name == "classes.json":
            return _from_json(json.loads(path.read_text(encoding="utf-8-sig")), path.name)
        if path.name == "labelmap.txt":
            rows = [line.split(":") for line in read_lines(path)]
            return _from_colors(_parse_colors({row[0]: row[1].split(",") for row in rows}), path.name)  # type: ignore[misc]
        if path.name == "class_dict.csv":
            rows = [line.split(",") for line in read_lines(path)[1:]]
            return _from_colors(_parse_colors({row[0].strip(): row[1:4] for row in rows}), path.name)  # type: ignore[misc]
        return _from_names(read_lines(path), path.name)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"{path} should name the classes, but it does not: {error}") from error


def _from_names(lines: list[str], source: str) -> ClassSpec:
    numbered = [re.fullmatch(r"(\d+)\s*[\s:,;=]\s*(\S.*)", line) for line in lines]
    if lines and all(numbered):
        return _from_values({int(m[1]): m[2].strip() for m in numbered if m}, source)
    names = [line for line in lines if line != "__ignore__"]
    return ClassSpec(make_classes(names), source=source)


def _from_values(names: Mapping[int, str], source: str) -> ClassSpec:
    kept = {value: name for value, name in sorted(names.items()) if name.lower() not in _VOID_NAMES}
    return ClassSpec(
        make_classes(list(kept.values())),
        void=tuple(sorted(set(names) - set(kept))),
        values=tuple((value, k) for k, value in enumerate(kept)),
        source=source,
    )


def _from_json(found: Any, source: str) -> ClassSpec:
    if isinstance(found, dict) and isinstance(found.get("names"), list):
        void = tuple(int(value) for value in found.get("void", ()))
        whole = "things" in found and "colors" in found
        return ClassSpec(Classes.from_dict(found) if whole else make_classes(found["names"]), void, source=source)
    if isinstance(found, list):
        return ClassSpec(make_classes([str(name) for name in found]), source=source)
    if isinstance(found, dict) and all(isinstance(value, list) for value in found.values()):
        return _from_colors(_parse_colors(found), source)
    if isinstance(found, dict) and all(str(key).isdigit() for key in found):
        return _from_values({int(key): str(name) for key, name in found.items()}, source)
    raise ValueError('wanted ["background", "cell"], {"0": "background", "1": "cell"} or {"cell": [255, 0, 0]}')
