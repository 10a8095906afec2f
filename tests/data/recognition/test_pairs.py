from __future__ import annotations

import numpy as np
import pytest

from pixelwise.data.opening import open_dataset
from pixelwise.data.recognition.pairs import find_pairs


def names(found):
    return [
        (p.image.relative_to(found.root).as_posix(), p.mask.relative_to(found.root).as_posix(), p.split)
        for p in found.pairs
    ]


LAYOUTS = {
    "splits inside": [
        "images/train/a.jpg masks/train/a.png train",
        "images/val/b.jpg masks/val/b.png val",
    ],
    "splits outside": [
        "train/images/a.jpg train/masks/a.png train",
        "valid/images/b.png valid/masks/b.png val",
    ],
    "CamVid": ["test/b.png testannot/b.png test", "train/a.png trainannot/a.png train"],
    "words joined by lines": ["train_images/a.png train_labels/a.png train", "val-images/b.png val-labels/b.png val"],
    "no splits": ["image/0.png label/0.png None", "image/1.png label/1.png None"],
    "capitals and endings": ["Imgs/a.JPG GroundTruth/a_gt.PNG None", "Imgs/b_image.JPG GroundTruth/b_mask.PNG None"],
    "pictures and truths": ["pictures/a.jpg truth/a_truth.png None", "pictures/b.jpg truth/b_truth.png None"],
    "folders below": [
        "images/train/x/a.png masks/train/x/a.png train",
        "images/train/y/a.png masks/train/y/a.png train",
    ],
    "side by side, endings": ["kind/a.jpg kind/a.png None", "other/b.jpg other/b.png None"],
    "side by side, names": ["a.png a_mask.png None", "b.png b_mask.png None"],
    "side by side, in splits": ["train/a.jpg train/a.png train", "val/b.jpg val/b.png val"],
    "dots in names": ["images/a.1.jpg masks/a.1.png None", "images/a.2.jpg masks/a.2.png None"],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(save, tmp_path, photo, layout):
    wanted = [tuple(line.split()) for line in layout]
    for image, mask, _ in wanted:
        save(image, photo)
        save(mask, photo[..., 0])
    assert [(i, m, str(s)) for i, m, s in names(find_pairs(tmp_path))] == wanted


@pytest.mark.parametrize("mark", ["\t", ",", " "])
def test_lists_of_pairs(save, tmp_path, photo, mark):
    save("here/a.png", photo)
    save("there/b.png", photo[..., 0])
    save("here/c.png", photo)
    (tmp_path / "train.txt").write_text(f"# images\nhere/a.png{mark}there/b.png\n\n")
    (tmp_path / "val.txt").write_text(f"{tmp_path}/here/c.png{mark}/there/b.png\n")
    wanted = [("here/a.png", "there/b.png", "train"), ("here/c.png", "there/b.png", "val")]
    assert names(find_pairs(tmp_path)) == wanted
    alone = find_pairs(tmp_path / "train.txt")
    assert names(alone) == wanted[:1]


def test_a_list_names_what_is_not_there(save, tmp_path, photo):
    save("a.png", photo)
    (tmp_path / "train.txt").write_text("a.png a_mask.png\n")
    with pytest.raises(FileNotFoundError, match=r"train\.txt, entry 1: there is no .*a_mask\.png"):
        find_pairs(tmp_path)


def test_names_of_images_outside_the_folder(save, tmp_path, photo):
    image, mask = save("far/x/a.png", photo), save("masks/a.png", photo)
    other = save("far/y/a.png", photo)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text(f"{image} {mask}\n{other} {mask}\n")
    found = find_pairs(tmp_path / "lists")
    assert [found.name(pair) for pair in found.pairs] == ["x/a", "y/a"]


def test_images_without_masks_are_told(save, tmp_path, photo):
    for name in "abc":
        save(f"images/{name}.png", photo)
    save("masks/b.png", photo[..., 0])
    found = find_pairs(tmp_path)
    assert [path.name for path in found.unpaired] == ["a.png", "c.png"]
    assert len(found.pairs) == 1


def test_masks_without_images_are_noted(save, tmp_path, photo):
    save("images/a.png", photo)
    save("masks/a.png", photo[..., 0])
    save("masks/z.png", photo[..., 0])
    assert find_pairs(tmp_path).notes == ("masks without an image were left out: z.png",)


def test_a_folder_without_masks_among_others_is_noted(save, tmp_path, photo):
    save("bad/a.jpg", photo)
    save("bad/a.png", photo[..., 0])
    save("good/b.jpg", photo)
    found = find_pairs(tmp_path)
    assert names(found) == [("bad/a.jpg", "bad/a.png", None)]
    assert found.notes == ("good holds 1 image and no mask: left out",)
    assert not found.unpaired


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (["images/a.png", "masks/a.png", "labels/a.png"], "could hold the masks"),
        (["images/a.png", "masks/a.png", "masks/a.bmp"], "two masks claim the same image"),
        (["images/a.png", "images/a.bmp", "masks/a.png"], "two images are called a"),
        (["images/a.png", "masks/b.png"], "no mask has the name of an image: images/a.png, but masks/b.png"),
    ],
)
def test_what_is_not_clear_is_not_guessed(save, tmp_path, photo, files, what):
    for name in files:
        save(name, photo[..., 0])
    with pytest.raises(ValueError, match=what):
        find_pairs(tmp_path)


def test_no_pairs(save, tmp_path, photo):
    assert find_pairs(tmp_path) is None
    save("a.png", photo)
    assert find_pairs(tmp_path) is None


def test_a_circle_of_links_ends(save, tmp_path, photo):
    save("data/images/a.png", photo)
    save("data/masks/a.png", photo)
    (tmp_path / "data" / "images" / "again").symlink_to(tmp_path / "data")
    assert len(find_pairs(tmp_path / "data").pairs) == 1


def test_linked_folders_are_followed(save, tmp_path, photo):
    save("far/a.png", photo)
    save("data/masks/a.png", photo)
    (tmp_path / "data" / "images").symlink_to(tmp_path / "far")
    assert names(find_pairs(tmp_path / "data")) == [("images/a.png", "masks/a.png", None)]


def test_real_folders(trial_data):
    found = find_pairs(trial_data("magnetic-tile"))
    assert all(pair.image.suffix == ".jpg" and pair.mask == pair.image.with_suffix(".png") for pair in found.pairs)
    assert len(found.pairs) == len(list(trial_data("magnetic-tile").rglob("*.png")))
    assert len(find_pairs(trial_data("camvid")).pairs) == 468


VARYING = {
    "words before": ["images/image_0.png masks/mask_0.png None", "images/image_1.png masks/mask_1.png None"],
    "no separator": ["images/img01.png masks/lbl1.png None", "images/img12.png masks/lbl12.png None"],
    "one pair": ["images/scan_7.png masks/seg_7_final.png None"],
    "FloodNet": [
        "train-org-img/10.jpg train-label-img/10_lab.png train",
        "val-org-img/11.jpg val-label-img/11_lab.png val",
    ],
    "capitals": ["PNGImages/Ped1.png PedMasks/Ped1_mask.png None", "PNGImages/Ped2.png PedMasks/Ped2_mask.png None"],
    "trimaps": ["images/a_1.jpg annotations/trimaps/a_1.png None", "images/b_1.jpg annotations/trimaps/b_1.png None"],
    "unknown word": ["images/a.png lesions/a.png None", "images/b.png lesions/b.png None"],
    "one folder": ["image_0.png mask_0.png None", "image_1.png mask_1.png None"],
    "one folder, other suffix": ["road_1_rgb.jpg road_1_class.png None", "road_2_rgb.jpg road_2_class.png None"],
}


@pytest.mark.parametrize("layout", VARYING.values(), ids=VARYING)
def test_names_are_matched_by_the_part_that_varies(save, tmp_path, photo, layout):
    wanted = [tuple(line.split()) for line in layout]
    for image, mask, _ in wanted:
        save(image, photo)
        save(mask, photo[..., 0] // 64)
    assert [(i, m, str(s)) for i, m, s in names(find_pairs(tmp_path))] == wanted


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (["images/cat.png", "masks/dog.png"], "no mask has the name"),
        (["images/a_5.png", "images/b_5.png", "masks/a_7.png", "masks/b_7.png"], "no mask has the name"),
        (["images/im_1.png", "images/im_01.png", "masks/gt_x1.png"], "could be the mask of several images"),
        (["images/im_1.png", "masks/gt-x1.png", "masks/gt-x01.png"], "several masks in .*: gt-x01.png, gt-x1.png"),
        (["images/a.png", "lesions/a.png", "vessels/a.png"], "lesions, .*vessels could each hold the masks"),
    ],
)
def test_rivals_are_named(save, tmp_path, photo, files, what):
    for name in files:
        save(name, photo[..., 0] // 64)
    with pytest.raises(ValueError, match=what):
        find_pairs(tmp_path)


def retina(save, photo, manual="1st_manual"):
    y, x = np.ogrid[:48, :64]
    view = ((y - 24) ** 2 + (x - 32) ** 2 < 20**2).astype(np.uint8) * 255
    vessels = ((x + y) % 9 == 0).astype(np.uint8) * 255
    for split in ("training", "test"):
        for k in (21, 22):
            save(f"{split}/images/{k}_{split}.tif", np.zeros((48, 64, 3), np.uint8))
            save(f"{split}/{manual}/{k}_manual1.gif", vessels & view)
            save(f"{split}/mask/{k}_{split}_mask.gif", view)
    return int((vessels & view > 0).sum()), int((view > 0).sum())


@pytest.mark.parametrize("manual", ["1st_manual", "vessels"])
def test_a_field_of_view_is_no_mask_in_silence(save, tmp_path, photo, manual):
    retina(save, photo, manual)
    with pytest.raises(ValueError, match=rf"field of view, and .*{manual}.*--images images --masks {manual}"):
        find_pairs(tmp_path)


def test_stated_folders(save, tmp_path, photo):
    small, large = retina(save, photo)
    for masks, pixels in (("1st_manual", small), ("mask", large)):
        data = open_dataset(tmp_path, split="test", images="images", masks=masks)
        assert [record.name for record in data.records] == ["test/images/21_test", "test/images/22_test"]
        assert data[0].truth.areas().tolist()[-1] == pixels
    for more in ({"images": "images"}, {"images": "images", "masks": "mask", "format": "voc"}):
        with pytest.raises(ValueError, match="--images and --masks"):
            open_dataset(tmp_path, **more)
    with pytest.raises(FileNotFoundError, match="2nd_manual"):
        open_dataset(tmp_path, images="images", masks="2nd_manual")


def test_stated_folders_elsewhere(save, tmp_path, photo):
    save("data/photos/a.png", photo)
    far = save("far/a_x.png", photo[..., 0] // 64).parent
    data = open_dataset(tmp_path / "data", split=None, images="photos", masks=far)
    assert data.records[0].mask == far / "a_x.png"
