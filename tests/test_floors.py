"""Imports run strictly down the floors, those inside functions too; nothing heavy loads before it is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "pixelwise"
FLOORS = (
    ("types", "classes", "runs", "masks", "segmentation", "sample"),
    ("ops", "console"),
    ("images",),
    ("layers", "losses", "metrics", "data", "postprocess"),
    ("models",),
    ("weights",),
    (
        "inference",
        "writers",
        "evaluation",
        "drawing",
        "inspection",
        "panoptic_building",
        "export",
        "summary",
        "training",
        "tuning",
    ),
    ("cli", "demonstration", "server", "__main__", "__init__"),
)
LEVEL = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules of pixelwise that a file imports, as dotted names below the package, with the line."""
    package = ("pixelwise", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found = [base] if base != "pixelwise" else [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        below = [name.removeprefix("pixelwise.") for name in found if name.startswith("pixelwise.")]
        yield from ((name, node.lineno) for name in below if not name.startswith("__"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_down_the_floors(path):
    room = room_of(path)
    assert room in LEVEL, f"{room} stands on no floor: add it to FLOORS and to docs/architecture.md"
    for name, line in imports(path):
        target = name.split(".")[0]
        inside = target == room and room not in FLOORS[0]
        beside = LEVEL[target] == LEVEL[room] and LEVEL[room] in (0, 6, 7)
        down = LEVEL[target] < LEVEL[room]
        assert inside or beside or down, f"{path.name}:{line} imports {name}, which is not below {room}"


def test_no_cycles_between_rooms():
    arrows = {(room_of(path), name.split(".")[0]) for path in FILES for name, _ in imports(path)}
    arrows = {(a, b) for a, b in arrows if a != b}
    while leaves := {b for _, b in arrows} - {a for a, _ in arrows}:
        arrows = {(a, b) for a, b in arrows if b not in leaves}
    assert not arrows, f"rooms that import each other in a circle: {sorted(arrows)}"


def test_a_paper_imports_only_an_older_paper():
    older = {
        "deeplabv3plus": {"deeplabv3"},
        "panoptic_fpn": {"mask_rcnn"},
    }
    for path in (PACKAGE / "models").glob("*.py"):
        if path.stem in ("__init__", "base"):
            continue
        papers = {name.split(".")[1] for name, _ in imports(path) if name.startswith("models.")} - {"base"}
        assert papers <= older.get(path.stem, set()), f"{path.name} imports {papers}"
