from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.inference import sources
from pixelwise.inference.sources import describe_unreadable, find_images


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2)).save(path)
    return path


def test_folders_and_patterns_keep_what_lies_below_them(tmp_path):
    for name in ("a.png", "x/b.png", "x/y/c.tif", ".hidden/d.png", "out/old.png"):
        image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    out = tmp_path / "out"
    assert list(find_images([tmp_path], out)[0]) == ["a", "x/b", "x/y/c"]
    assert list(find_images([f"{tmp_path}/x/**/*"], out)[0]) == ["b", "y/c"]
    assert list(find_images([f"{tmp_path}/*.png", tmp_path / "a.png"], out)[0]) == ["a"]


def test_results_may_go_above_or_into_the_folder_of_the_images(tmp_path):
    for name in ("in/a.png", "in/overlay/old.png", "overlay/old.png"):
        image(tmp_path / name)
    for out in (tmp_path / "in", tmp_path):
        wanted = ["a"] if out.name == "in" else ["a", "overlay/old"]
        assert sorted(find_images([tmp_path / "in"], out, ("overlay", "coco"))[0]) == wanted
    assert list(find_images([tmp_path], tmp_path, ("overlay", "in/overlay"))[0]) == ["in/a"]


def test_sources_without_images(tmp_path):
    (tmp_path / "empty").mkdir()
    image(tmp_path / "cells.png")
    with pytest.raises(ValueError, match="empty holds no images"):
        find_images([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"no file fits the pattern .*\*\.tif"):
        find_images([f"{tmp_path}/*.tif"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"did you mean 'cells\.png'"):
        find_images([tmp_path / "cell.png"], tmp_path / "out")
    with pytest.raises(ValueError, match="no images to predict"):
        find_images([], tmp_path / "out")


def test_images_that_cannot_be_read_are_left_out_by_name(tmp_path, save, monkeypatch):
    save("in/a.jfif", np.zeros((4, 4, 3), np.uint8), format="JPEG")
    for name in ("b.HEIC", "c.dng", "d.heif", ".e.heic"):
        (tmp_path / "in" / name).write_bytes(b"some")
    monkeypatch.setattr(sources, "can_read_heic", lambda: False)
    files = find_images([tmp_path / "in"], tmp_path / "out")
    assert list(files.images) == ["a"]
    assert describe_unreadable(files.unreadable) == (
        "left out: 2 HEIC (b.HEIC, d.heif; pip install 'pixelwise[heic]'), "
        "1 DNG (c.dng; raw data of a camera: develop them first)"
    )
    (tmp_path / "in" / "a.jfif").unlink()
    with pytest.raises(ValueError, match=r"holds no images .*; left out: 2 HEIC"):
        find_images([tmp_path / "in"], tmp_path / "out")
    monkeypatch.setattr(sources, "can_read_heic", lambda: True)
    assert list(find_images([tmp_path / "in"], tmp_path / "out").images) == ["b", "d"]
