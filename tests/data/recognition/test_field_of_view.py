from __future__ import annotations

import cv2
import numpy as np
import pytest

from pixelwise.data.opening import open_dataset


def disc(radius: int) -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    cv2.circle(mask, (32, 32), radius, 255, -1)
    return mask


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


@pytest.mark.parametrize("layout", ["{kind}/{split}", "{split}/{kind}"])
def test_large_discs_in_splits_of_equal_names_are_masks(tmp_path, layout):
    for split in ("train", "val"):
        for k in range(3):
            images, masks = (tmp_path / layout.format(kind=kind, split=split) for kind in ("images", "masks"))
            write(images / f"{k}.png", np.full((64, 64, 3), 40 * k, np.uint8))
            write(masks / f"{k}.png", disc(24 + k))
    data = open_dataset(tmp_path, split="train")
    assert [int((data.truth(k).class_map() == 1).sum()) for k in range(3)] == [
        int((disc(24 + k) > 0).sum()) for k in range(3)
    ]


def test_a_rival_beside_fields_of_view_is_named(tmp_path):
    for k in range(3):
        write(tmp_path / "images" / f"{k}.png", np.full((64, 64, 3), 40 * k, np.uint8))
        write(tmp_path / "mask" / f"{k}.png", disc(28))
        write(tmp_path / "1st_manual" / f"{k}.png", np.eye(64, dtype=np.uint8) * 255)
    with pytest.raises(ValueError, match="1st_manual could hold the masks"):
        open_dataset(tmp_path, split=None)
