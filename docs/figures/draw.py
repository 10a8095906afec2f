"""A few lines of SVG: boxes with tensor shapes, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
MONO = "'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
INK, GREY = "#263238", "#607d8b"
KINDS = {
    "data": ("#eceff1", "#78909c"),  # images, maps, results
    "backbone": ("#e3f2fd", "#1e88e5"),
    "neck": ("#e0f2f1", "#00897b"),  # pyramids, decoders
    "head": ("#fff3e0", "#fb8c00"),
    "result": ("#f1f8e9", "#7cb342"),
    "step": ("#ffffff", "#90a4ae"),  # without weights
    "training": ("#f3e5f5", "#8e24aa"),  # used in training only
}


@dataclass(frozen=True)
class Box:
    """A rectangle; its sides are where arrows end."""

    x: float
    y: float
    w: float
    h: float

    def left(self, share: float = 0.5) -> tuple[float, float]:
        return self.x, self.y + self.h * share

    def right(self, share: float = 0.5) -> tuple[float, float]:
        return self.x + self.w, self.y + self.h * share

    def top(self, share: float = 0.5) -> tuple[float, float]:
        return self.x + self.w * share, self.y

    def bottom(self, share: float = 0.5) -> tuple[float, float]:
        return self.x + self.w * share, self.y + self.h


class Figure:
    """Collects shapes and writes one file."""

    def __init__(self, name: str, title: str, width: int, height: int) -> None:
        self.name, self.title, self.width, self.height = name, title, width, height
        self.back: list[str] = []
        self.lines: list[str] = []
        self.boxes: list[str] = []

    def box(
        self, x: float, y: float, title: str, *shapes: str, w: float = 118, h: float = 0, kind: str = "step"
    ) -> Box:
        """A box: a title of one line or several, and below it shapes in a fixed width."""
        titles = [line for line in title.split("\n") if line]
        h = h or 14 + 15 * len(titles) + 13 * len(shapes)
        fill, stroke = KINDS[kind]
        dash = ' stroke-dasharray="5 3"' if kind == "training" else ""
        out = [
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="1.4"{dash}/>'
        ]
        line = y + h / 2 - (15 * len(titles) + 13 * len(shapes)) / 2
        for text in titles:
            line += 15
            out.append(_text(x + w / 2, line - 3, text, 12.5, weight="600"))
        for text in shapes:
            line += 13
            out.append(_text(x + w / 2, line - 3, text, 10.7, family=MONO, fill="#455a64"))
        self.boxes.append("".join(out))
        return Box(x, y, w, h)

    def circle(self, x: float, y: float, text: str, r: float = 13) -> Box:
        """An operation with two inputs: + or ×."""
        fill, stroke = KINDS["step"]
        self.boxes.append(
            f'<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>'
            + _text(x, y + 5, text, 15, weight="600")
        )
        return Box(x - r, y - r, 2 * r, 2 * r)

    def arrow(
        self, *points: tuple[float, float], label: str = "", at: tuple[float, float] | None = None, dashed: bool = False
    ) -> None:
        """A line through the points with a head at its end."""
        path = " ".join(f"{'L' if n else 'M'}{x:g} {y:g}" for n, (x, y) in enumerate(points))
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.lines.append(
            f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.4" marker-end="url(#head)"{dash}/>'
        )
        if label:
            (x1, y1), (x2, y2) = points[0], points[-1]
            x, y = at or ((x1 + x2) / 2, (y1 + y2) / 2 - 5)
            self.lines.append(_text(x, y, label, 10.7, fill=GREY))

    def text(self, x: float, y: float, text: str, size: float = 11, anchor: str = "middle", fill: str = GREY) -> None:
        """Free text."""
        self.boxes.append(_text(x, y, text, size, anchor=anchor, fill=fill))

    def group(self, x: float, y: float, w: float, h: float, title: str) -> None:
        """A frame behind boxes, named at its upper left."""
        self.back.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="9" '
            f'fill="#fafafa" stroke="#cfd8dc" stroke-dasharray="3 3"/>'
            + _text(x + 10, y + 16, title, 11, anchor="start", fill=GREY, weight="600")
        )

    def write(self) -> None:
        """Below `docs/figures`."""
        head = (
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0.6 L7.4 4 L0 7.4 Z" fill="{GREY}"/></marker>'
        )
        body = "\n".join([*self.back, *self.lines, *self.boxes])
        (FOLDER / f"{self.name}.svg").write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="{escape(FONT)}">\n<title>{escape(self.title)}</title>\n'
            f'<defs>{head}</defs>\n<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>\n'
            f"{body}\n</svg>\n",
            "utf-8",
        )


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    anchor: str = "middle",
    fill: str = INK,
    family: str = "",
    weight: str = "",
) -> str:
    more = (f' font-family="{escape(family)}"' if family else "") + (f' font-weight="{weight}"' if weight else "")
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}"'
    return f"<text {place}{more}>{escape(text)}</text>"
