from __future__ import annotations

import numpy as np
import pytest

from pixelwise.data.opening import available_splits, open_dataset


def square(top, left, side=4):
    mask = np.zeros((12, 16), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


@pytest.fixture(params=["bowl", "folders"])
def data(request, save, photo):
    """Two images, of two objects that overlap and of one."""
    images, masks = ("{0}/images/{0}.png", "{0}/masks") if request.param == "bowl" else ("images/{0}.png", "masks/{0}")
    for name in ("n-1", "n-2"):
        save(f"stage1_train/{images.format(name)}", photo)
        save(f"stage1_train/{masks.format(name)}/x0f.png", square(0, 0))
    save(f"stage1_train/{masks.format('n-1')}/x1f.png", square(2, 2, 5))
    return save(f"stage1_test/{images.format('n-3')}", photo)


def test_each_file_is_an_object(data, tmp_path):
    found = open_dataset(tmp_path, split="train", classes="nucleus")
    assert found.format == "object-files"
    assert found.classes.names == ("background", "nucleus")
    assert [found.truth(i).areas().tolist() for i in (0, 1)] == [[16, 25], [16]]
    assert any("1 image has no folder of masks" in note for note in found.notes)
    assert available_splits(tmp_path) == ("train",)


def test_what_does_not_fit(data, tmp_path, save):
    with pytest.raises(ValueError, match="name one"):
        open_dataset(tmp_path, classes="background,a,b")
    with pytest.raises(ValueError, match="no mask values"):
        open_dataset(tmp_path, void=3)
    found = open_dataset(tmp_path)
    mask = next(path for path in tmp_path.rglob("x1f.png"))
    save(mask.relative_to(tmp_path), np.zeros((5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"16x12, but its mask .*x1f.png is 5x5"):
        found.truth(0)


def test_usual_folders_are_no_object_files(save, tmp_path, photo):
    save("p1/images/p1.png", photo)
    save("p1/masks/p1.png", square(0, 0))
    assert open_dataset(tmp_path).format == "mask-folder"
