from __future__ import annotations

import pytest

from pixelwise.images.intensity import IntensityRange, as_intensity


@pytest.mark.parametrize("text", ["112,2890", "0,0.5", "-1000,400", "0,1;0,2;0,3"])
def test_text_and_lists_hold_the_whole_range(text):
    intensity = IntensityRange.parse(text)
    assert str(intensity) == text
    assert intensity.stated
    assert IntensityRange.from_lists(intensity.to_lists()) == intensity


@pytest.mark.parametrize("text", ["", "5", "5,5", "9,1", "0,nan", "0,inf", "0,1;0,2", "a,b", "1,2,3"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="it must be LOW,HIGH with LOW below HIGH"):
        IntensityRange.parse(text)


def test_what_people_state():
    for given in ("0,3000", (0, 3000), IntensityRange(((0.0, 3000.0),))):
        intensity = as_intensity(given)
        assert intensity == IntensityRange(((0.0, 3000.0),))
        assert intensity.stated
    assert as_intensity(None) is None
    for wrong in ((1, 2, 3), (3, 1), 7):
        with pytest.raises(ValueError, match="intensity is .*: it must be LOW,HIGH"):
            as_intensity(wrong)


def test_words():
    assert IntensityRange.parse("112,2890").in_words() == "112 to 2890"
    assert IntensityRange.parse("0,1;0,2;0,3").in_words() == "0 to 1 (red), 0 to 2 (green), 0 to 3 (blue)"
