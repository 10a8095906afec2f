from __future__ import annotations

from pixelwise.inference.progress import shown


def test_without_a_terminal_it_is_a_line_for_each_tenth(capsys):
    assert list(shown(range(20), 20, "images", True)) == list(range(20))
    assert capsys.readouterr().err.splitlines() == [f"predict: {n} of 20 images" for n in range(2, 21, 2)]
    assert list(shown("abc", 3, "bands", True)) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines() == [f"predict: {n} of 3 bands" for n in (1, 2, 3)]
    assert list(shown("abc", 3, "bands", False)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
