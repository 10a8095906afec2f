"""The demonstration, shortened: everything that it promises is there."""

from __future__ import annotations

import json

import cv2
import pytest

from pixelwise import load, open_dataset
from pixelwise.demonstration import WRITTEN, bundled, run_demo


def test_the_bundled_sample_is_small_and_divided():
    assert sum(path.stat().st_size for path in bundled().rglob("*") if path.is_file()) < 4_000_000
    assert [len(open_dataset(bundled(), split=split)) for split in ("train", "val")] == [40, 12]
    assert "CC0" in (bundled() / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_from_images_to_a_report(tmp_path, capsys):
    out = tmp_path / "demonstration"
    (out / "overlay").mkdir(parents=True)
    (out / "overlay" / "old.jpg").touch()
    run_demo(out, epochs=2)
    said = capsys.readouterr().out
    assert "nucleus" in said
    assert "95 % interval" in said
    assert str(out / "index.html") in said
    assert load(out / "train" / "last.safetensors").classes.names == ("background", "nucleus")
    assert json.loads((out / "metrics.json").read_text("utf-8"))["images"] == 12
    for name in WRITTEN:
        written = list((out / name).iterdir())
        assert len(written) == 12
        assert all(cv2.imread(str(path)) is not None for path in written)
