"""Tables of names of tensors."""

import pytest

from pixelwise.ops.rename_table import rows


def test_rows_for_each_combination_of_places() -> None:
    table = rows("down{n}.conv.{part}.", "down.{n}.{part}.", n={1: 0, 2: 1}, part={"0": "0.0", "4": "1.1"})
    assert table == {
        "down1.conv.0.": "down.0.0.0.",
        "down1.conv.4.": "down.0.1.1.",
        "down2.conv.0.": "down.1.0.0.",
        "down2.conv.4.": "down.1.1.1.",
    }


def test_a_place_that_both_write_alike_is_a_sequence() -> None:
    assert rows("cls.{n}.", "head.{n}.", n=(0, 1)) == {"cls.0.": "head.0.", "cls.1.": "head.1."}


def test_a_place_may_stand_in_their_name_only() -> None:
    assert rows("{root}head.", "head.", root=("", "module.")) == {"head.": "head.", "module.head.": "head."}


def test_a_name_with_a_place_that_is_not_given() -> None:
    with pytest.raises(KeyError, match="n"):
        rows("up{n}.", "up.{n}.")
