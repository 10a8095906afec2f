from __future__ import annotations

from pixelwise.ops.phrases import counted, few


def test_counted():
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert counted(2, "class", "classes") == "2 classes"


def test_few():
    assert few("abc") == "a, b, c"
    assert few(range(7), 2) == "0, 1, … (7 in all)"
