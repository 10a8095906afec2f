from __future__ import annotations

import pytest

from pixelwise.data.recognition.pairs import find_pairs
from pixelwise.data.recognition.splits import pairs_of_split, splits_of_pairs


@pytest.fixture
def ten(save, photo, tmp_path):
    for k in range(10):
        save(f"images/p{k}.png", photo)
        save(f"masks/p{k}.png", photo[..., 0])
    return tmp_path


def stems(pairs):
    return [pair.image.stem for pair in pairs]


def test_without_splits_a_fifth_is_kept(ten):
    found = find_pairs(ten)
    train, note = pairs_of_split(found, "train")
    val, _ = pairs_of_split(found, "validation")
    assert splits_of_pairs(found) == ("train", "val")
    assert (len(train), len(val)) == (8, 2)
    assert sorted(stems(train) + stems(val)) == stems(found.pairs)
    assert note == "the data have no splits: 2 of 10 images are kept for validation, chosen by a hash of their names"
    assert stems(val) == ["p1", "p4"]
    assert pairs_of_split(found, None) == (found.pairs, None)
    with pytest.raises(ValueError, match="no splits of its own"):
        pairs_of_split(found, "test")


def test_lists_of_names(ten):
    (ten / "train.txt").write_text("p1\nimages/p2.png\np3.png\n")
    (ten / "splits").mkdir()
    (ten / "splits" / "fold0.txt").write_text("p9\n")
    (ten / "classes.txt").write_text("p1\np2\n")
    found = find_pairs(ten)
    assert splits_of_pairs(found) == ("train", "fold0")
    assert stems(pairs_of_split(found, "training")[0]) == ["p1", "p2", "p3"]
    assert stems(pairs_of_split(found, "fold0")[0]) == ["p9"]
    assert len(pairs_of_split(found, None)[0]) == 10
    with pytest.raises(ValueError, match="no split 'val'; there are: train, fold0"):
        pairs_of_split(found, "val")


def test_a_list_of_names_that_are_not_there(ten):
    (ten / "train.txt").write_text("p1\np77\n")
    with pytest.raises(ValueError, match=r"train\.txt lists images that are not there, or have no mask: p77"):
        pairs_of_split(find_pairs(ten), "train")


def test_the_bundled_sample(nuclei_sample):
    found = find_pairs(nuclei_sample)
    assert splits_of_pairs(found) == ("train", "val")
    assert (len(pairs_of_split(found, "train")[0]), len(pairs_of_split(found, "val")[0])) == (40, 12)
