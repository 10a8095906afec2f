"""One self-contained HTML page: text, tables, findings and images, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..console import format_value
from ..ops.atomic_files import write_text

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin:0 0 1rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}p{max-width:48rem}
table{border-collapse:collapse;margin:.5rem 0;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}
th,td{padding:.25rem .8rem;border-bottom:1px solid var(--line);text-align:left}td.n,th.n{text-align:right}
.row{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:.85rem;opacity:.8}
img{max-width:100%;height:auto;border-radius:4px;image-rendering:auto}img.small{image-rendering:pixelated}
ul.findings{list-style:none;padding:0}
ul.findings li{padding:.4rem .8rem;margin:.3rem 0;border-left:4px solid;background:var(--soft)}
.findings .error{border-color:#d55e00}.findings .warning{border-color:#e69f00}
.findings .note{border-color:#0072b2}.findings .fine{border-color:#009e73}
"""
WORDS = {"error": "Error", "warning": "Warning", "note": "Note", "fine": "Fine"}


class Page:
    """A page that grows from top to bottom; every method returns the page.

    Args:
        title: the heading, and the name of the browser's tab.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> Page:
        """A heading of a section."""
        return self._add(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> Page:
        """A paragraph."""
        return self._add(f"<p>{html.escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Page:
        """A table; numbers stand right, with four significant digits, a dash for what is undefined (nan)."""
        rows = [list(row) for row in rows]
        right = [bool(rows) and all(isinstance(row[k], int | float) for row in rows) for k in range(len(header))]
        cells = [[("th", name) for name in header]] + [[("td", format_value(value)) for value in row] for row in rows]
        lines = (
            "".join(
                f"<{tag}{' class=n' * n}>{html.escape(text)}</{tag}>" for (tag, text), n in zip(row, right, strict=True)
            )
            for row in cells
        )
        return self._add("<div class=wide><table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>")

    def findings(self, findings: Iterable[tuple[str, str]]) -> Page:
        """What was noticed: pairs of a level ("error", "warning", "note" or "fine") and a sentence."""
        items = (f"<li class={level}><b>{WORDS[level]}.</b> {html.escape(text)}</li>" for level, text in findings)
        return self._add(f"<ul class=findings>{''.join(items)}</ul>")

    def image(self, image: np.ndarray, caption: str = "") -> Page:
        """One image, (H, W, 3) uint8 RGB, with a line below it."""
        return self.images([(image, caption)])

    def images(self, images: Iterable[tuple[np.ndarray, str]]) -> Page:
        """Images beside each other, each with a line below it."""
        return self._add(f"<div class=row>{''.join(_figure(*pair) for pair in images)}</div>")

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The page as one file, which is either whole or not there.

        Raises:
            OSError: names the file when it cannot be written.
        """
        head = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(self.title)}</title>"
            f'<meta name=viewport content="width=device-width"><style>{STYLE}</style>'
        )
        write_text(path, "\n".join([head, f"<h1>{html.escape(self.title)}</h1>", *self._parts]))
        return Path(path)

    def _add(self, part: str) -> Page:
        self._parts.append(part)
        return self


def _figure(image: np.ndarray, caption: str) -> str:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image on a page is (H, W, 3) uint8, not {image.shape} of {image.dtype}")
    height, width = image.shape[:2]
    # Photographs as JPEG, small ones exactly: a page of thirty images stays within a few megabytes.
    suffix, options = (".png", []) if height * width <= 300 * 300 else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 88])
    data = base64.b64encode(cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)[1]).decode()
    kind = "png" if suffix == ".png" else "jpeg"
    small = " class=small" * (max(height, width) < 128)
    return (
        f'<figure><img{small} width={width} height={height} alt="{html.escape(caption, quote=True)}" '
        f'src="data:image/{kind};base64,{data}"><figcaption>{html.escape(caption)}</figcaption></figure>'
    )
