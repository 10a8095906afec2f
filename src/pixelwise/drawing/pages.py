"""Self-contained HTML pages of text, tables, findings and images, which fetch nothing from anywhere.

The templates are in `templates/`: `page.html`, and one for each kind of part. jinja2 fills them in and escapes all
text.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..console import format_value
from ..ops.atomic_files import write_text

LEVELS = ("error", "warning", "note", "fine")
"""The levels of findings."""

MAX_PNG_PIXELS = 300 * 300
"""Images up to this size are PNG and exact; larger ones are JPEG, so that a page of thirty stays small."""

SMALL_SIDE = 128
"""Images of which both sides are shorter are shown with sharp pixels, pixels."""

JPEG_QUALITY = 88


class Page:
    """A page that grows from top to bottom; every method returns the page.

    Args:
        title: the heading, and the title of the browser's tab.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[dict[str, Any]] = []

    def heading(self, text: str) -> Page:
        """Add the heading of a section."""
        return self._add("heading.html", text=text)

    def text(self, text: str) -> Page:
        """Add a paragraph."""
        return self._add("text.html", text=text)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Page:
        """Add a table.

        Columns of numbers are aligned to the right. Floats get four significant digits, nan a dash.
        """
        rows = [list(row) for row in rows]
        numeric = []
        for column in range(len(header)):
            numeric.append(bool(rows) and all(isinstance(row[column], int | float) for row in rows))
        cells = []
        for row in rows:
            cells.append([format_value(value) for value in row])
        return self._add("table.html", header=list(header), numeric=numeric, rows=cells)

    def findings(self, findings: Iterable[tuple[str, str]]) -> Page:
        """Add a list of findings: pairs of a level, one of `LEVELS`, and a sentence."""
        return self._add("findings.html", findings=list(findings))

    def image(self, image: np.ndarray, caption: str = "") -> Page:
        """Add an image, (H, W, 3) uint8 RGB, with a caption."""
        return self.images([(image, caption)])

    def images(self, images: Iterable[tuple[np.ndarray, str]]) -> Page:
        """Add images side by side, each with a caption."""
        return self._add("images.html", images=[_figure(image, caption) for image, caption in images])

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as one file, whole or not at all.

        Raises:
            OSError: names the file if it cannot be written.
        """
        from jinja2 import Environment, PackageLoader, StrictUndefined

        templates = Environment(
            loader=PackageLoader("pixelwise.drawing"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        write_text(path, templates.get_template("page.html").render(title=self.title, parts=self._parts) + "\n")
        return Path(path)

    def _add(self, template: str, **content: Any) -> Page:
        self._parts.append({"template": template, **content})
        return self


def _figure(image: np.ndarray, caption: str) -> dict[str, Any]:
    """Encode an image for the template of images.

    Raises:
        ValueError: it is not (H, W, 3) uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image on a page is (H, W, 3) uint8, not {image.shape} of {image.dtype}")
    height, width = image.shape[:2]
    kind, options = "jpeg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    if height * width <= MAX_PNG_PIXELS:
        kind, options = "png", []
    bgr = np.ascontiguousarray(image[..., ::-1])
    data = base64.b64encode(cv2.imencode(f".{kind}", bgr, options)[1]).decode()
    return {
        "caption": caption,
        "height": height,
        "width": width,
        "small": max(height, width) < SMALL_SIDE,
        "source": f"data:image/{kind};base64,{data}",
    }
