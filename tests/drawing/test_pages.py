from __future__ import annotations

import html.parser

import numpy as np
import pytest

from pixelwise.drawing.pages import Page


class Reader(html.parser.HTMLParser):
    """Collects tags and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]


def test_a_page_stands_alone_and_escapes(tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    page = Page("Cells <1>").heading("Scores").text("a & b").table(["class", "IoU"], [["<cell>", 0.123456]])
    path = page.findings([("error", "a.png is truncated")]).image(image, 'the "worst"').write(tmp_path / "p.html")
    text = path.read_text("utf-8")
    reader = Reader()
    reader.feed(text)
    assert [link[:21] for link in reader.links] == ["data:image/png;base64"]
    assert "&lt;cell&gt;" in text
    assert "0.1235" in text
    assert reader.tags.count("tr") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["p.html"]


def test_a_wrong_image_is_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        Page("x").image(np.zeros((4, 4)))


def test_numbers_are_aligned_and_findings_have_their_level(tmp_path):
    page = Page("x").table(["class", "IoU", "pixels"], [["sky", 0.5, 3], ["sea", float("nan"), 12]])
    text = page.findings([("note", "it is <b>small</b>")]).write(tmp_path / "p.html").read_text("utf-8")
    assert '<th>class</th><th class="n">IoU</th><th class="n">pixels</th>' in text
    assert '<td>sea</td><td class="n">–</td><td class="n">12</td>' in text
    assert '<li class="note"><b>Note.</b> it is &lt;b&gt;small&lt;/b&gt;</li>' in text


def test_large_images_are_jpeg_and_small_ones_exact(tmp_path):
    images = [(np.zeros((side, side, 3), np.uint8), f"{side}") for side in (100, 200, 400)]
    text = Page("x").images(images).write(tmp_path / "p.html").read_text("utf-8")
    kinds = [part[:4] for part in text.split("data:image/")[1:]]
    assert kinds == ["png;", "png;", "jpeg"]
    assert text.count('class="small"') == 1
