from __future__ import annotations

from pathlib import Path

from pixelwise.images.file_names import file_not_found, list_images


def test_images_are_listed_by_suffix():
    files = [Path(name) for name in ("b.PNG", "a.jpg", ".hidden.png", "notes.txt", "c.tiff")]
    assert list_images(files) == [Path("a.jpg"), Path("b.PNG"), Path("c.tiff")]


def test_a_similar_name_is_suggested(tmp_path):
    (tmp_path / "street.png").touch()
    assert str(file_not_found(tmp_path / "stret.png")).endswith("did you mean 'street.png'?")


def test_no_more_than_eight_names_are_listed(tmp_path):
    for k in range(12):
        (tmp_path / f"{k:02}").touch()
    error = str(file_not_found(tmp_path / "street.png"))
    assert error.endswith("there are: 00, 01, 02, 03, 04, 05, 06, 07, … (12 in all)")
