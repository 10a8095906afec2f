from __future__ import annotations

import pytest

from pixelwise.data.opening import open_dataset
from pixelwise.data.unread_files import describe_unread


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("ImageId,EncodedPixels\na.png,1 3 9 2\n", "EncodedPixels"),
        ("id,class,segmentation\na,stomach,12 4 20 6\n", "segmentation"),
    ],
)
def test_tables_of_run_lengths_are_named(save, tmp_path, photo, table, column):
    save("train/a.png", photo)
    (tmp_path / "train.csv").write_text(table)
    with pytest.raises(ValueError, match=rf"train\.csv holds run lengths in its column {column}"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a.json", "b.json"], "it holds 2 images, 2 .json files: annotations in JSON"),
        (["a.mat"], "MATLAB files are not read: save each label matrix as PNG"),
        (["a.nii.gz"], "it holds 2 images, 1 .gz file: volumes"),
        ([".hidden"], "it holds 2 images: their masks are elsewhere"),
        (["table.csv"], "it holds 2 images, 1 .csv file"),
    ],
)
def test_what_lies_there_is_counted(save, tmp_path, photo, files, said):
    for name in "ab":
        save(f"{name}.png", photo)
    for name in files:
        (tmp_path / name).write_text("{}")
    assert said in describe_unread(tmp_path)


def test_nothing_to_describe(tmp_path):
    assert describe_unread(tmp_path) == ""
    assert describe_unread(tmp_path / "none") == ""
