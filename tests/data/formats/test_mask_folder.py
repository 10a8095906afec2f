from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise.data.formats import mask_folder
from pixelwise.data.opening import open_dataset

CAMVID = "sky,building,pole,road,pavement,tree,sign symbol,fence,car,pedestrian,bicyclist"


def some(dataset, number=2):
    return replace(dataset, records=dataset.records[:number])


def test_camvid(trial_data):
    data = mask_folder.read(trial_data("camvid"), "train", classes=CAMVID, void=11)
    assert len(data) == 367
    assert data.classes.names[3] == "road"
    sample = data[0]
    raw = np.asarray(Image.open(data.records[0].mask))
    assert sample.name == "train/0001TP_006690"
    assert sample.image.shape == (3, 360, 480)
    assert (sample.truth.class_map().numpy() == np.where(raw == 11, 255, raw)).all()
    assert len(mask_folder.read(trial_data("camvid"), "val", classes=CAMVID, void=11)) == 101


@pytest.mark.parametrize("name", ["camvid", "magnetic-tile", "membrane"])
def test_round_trip_of_real_data(trial_data, tmp_path, same, name):
    for split in mask_folder.available(trial_data(name)):
        data = some(mask_folder.read(trial_data(name), split))
        mask_folder.write(data, tmp_path)
        same(mask_folder.read(tmp_path, split), data)
    assert mask_folder.available(tmp_path) == ("train", "val")
    assert (tmp_path / "images" / "train").is_dir()


def test_round_trip_of_names_void_and_no_split(save, tmp_path, photo, same):
    save("data/images/a.png", photo)
    save("data/masks/a.png", photo[..., 0] % 7)
    data = mask_folder.read(tmp_path / "data", None, classes="a,b,c,d,e", void=[5, 6])
    assert (data.truth(0).class_map() == 255).any()
    mask_folder.write(data, tmp_path / "again")
    same(mask_folder.read(tmp_path / "again", None), data)
    assert {p.name for p in (tmp_path / "again").iterdir()} == {"images", "masks", "classes.json"}


def test_a_palette_gives_the_classes_their_colours(save, tmp_path, photo):
    save("images/a.png", photo)
    save("masks/a.png", photo[..., 0] % 3, palette=[1, 2, 3, 200, 0, 0, 0, 200, 0])
    data = mask_folder.read(tmp_path, None)
    assert data.classes.colors == ((1, 2, 3), (200, 0, 0), (0, 200, 0))


def test_all_splits_have_the_same_classes(save, tmp_path, photo):
    for split, high in (("train", 2), ("val", 4)):
        save(f"{split}/images/a.png", photo)
        save(f"{split}/masks/a.png", photo[..., 0] % high)
    assert len(mask_folder.read(tmp_path, "train").classes) == 4
    assert len(mask_folder.read(tmp_path, "val").classes) == 4


def test_missing_masks_are_named(save, tmp_path, photo):
    for k in range(9):
        save(f"images/p{k}.png", photo)
    save("masks/p0.png", photo[..., 0] % 2)
    names = "images/p1.png, images/p2.png, images/p3.png, images/p4.png, images/p5.png, … (8 in all)"
    with pytest.raises(ValueError) as caught:
        open_dataset(tmp_path)
    assert f"8 images have no mask: {names}; add a mask" in str(caught.value)
    assert [one.name for one in mask_folder.read(tmp_path, None).unpaired] == [f"images/p{k}" for k in range(1, 9)]


def test_a_mask_of_another_size(save, tmp_path, photo):
    save("images/a.png", photo)
    save("masks/a.png", photo[:-1, :, 0] % 2)
    data = mask_folder.read(tmp_path, None)
    with pytest.raises(ValueError, match=r"a\.png is 16x12, but its mask .*masks/a\.png is 16x11: they must"):
        data[0]


def test_a_mask_drawn_on_the_unturned_photo(save, tmp_path, photo):
    exif = Image.Exif()
    exif[274] = 6
    save("images/a.png", photo, exif=exif)
    save("masks/a.png", photo[..., 0] % 2)
    data = mask_folder.read(tmp_path, None)
    assert data.image(0).shape == (3, 16, 12)
    with pytest.raises(ValueError, match=r"as stored, before its EXIF orientation \(6\) turns it"):
        data[0]
    save("masks/a.png", photo[..., 0].T % 2)
    assert data[0].truth.size == (16, 12)


def test_a_class_out_of_range_names_the_file(save, tmp_path, photo):
    save("images/a.png", photo)
    mask = save("masks/a.png", photo[..., 0] % 3)
    data = mask_folder.read(tmp_path, None, classes="a,b,c")
    save("masks/a.png", photo[..., 0] % 5)
    with pytest.raises(
        ValueError, match=rf"{mask} holds 3, 4, which are no classes: allowed are 0 \(a\), 1 \(b\), 2 \(c\)"
    ):
        data.truth(0)


def test_copies_are_the_files_themselves(save, tmp_path, photo):
    source = save("data/images/a.jpg", photo, quality=40)
    save("data/masks/a.png", photo[..., 0] % 2)
    mask_folder.write(mask_folder.read(tmp_path / "data", None), tmp_path / "again")
    assert (tmp_path / "again" / "images" / "a.jpg").read_bytes() == source.read_bytes()


def test_masks_of_instances_become_class_maps(shapes, tmp_path):
    data = shapes(tmp_path, "masks")
    mask_folder.write(data, tmp_path / "out")
    again = mask_folder.read(tmp_path / "out", "train")
    assert again.classes == data.classes
    for i in range(len(data)):
        assert torch.equal(again.truth(i).class_map(), data.truth(i).class_map())


def test_what_cannot_be_written(shapes, tmp_path):
    data = shapes(tmp_path, "ids")
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OSError, match="cannot write"):
        mask_folder.write(data, tmp_path / "out")
