from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pixelwise import Classes
from pixelwise.data.recognition.class_spec import read_class_spec
from pixelwise.data.recognition.masks.value_recognition import recognise


@pytest.fixture
def learn(save, tmp_path):
    """What is learnt from masks of these values, the class map of the first, and the notes."""

    def learn(*values, classes=None, void=None, colors=None, ending="png", **options):
        arrays = [np.asarray(v, np.uint8) for v in values]
        paths = [save(f"mask{k}.{ending}", a if a.ndim > 1 else a[None], **options) for k, a in enumerate(arrays)]
        found, notes = recognise(paths, read_class_spec(tmp_path, classes, void, colors))
        return found, [np.asarray(found.class_map(path)).squeeze().tolist() for path in paths], " | ".join(notes)

    return learn


def test_0_and_255(learn):
    found, maps, notes = learn([0, 255, 0], [0, 0, 0])
    assert found.classes == Classes(("background", "foreground"), background=0)
    assert maps == [[0, 1, 0], [0, 0, 0]]
    assert notes == "masks hold 0 and 255: read 0 as 'background', 255 as 'foreground'; name them with --classes"


def test_0_and_255_with_names(learn):
    assert learn([0, 255], classes="wall,cell")[0].classes.names == ("wall", "cell")
    assert learn([0, 255], classes="cell")[0].classes.names == ("background", "cell")


def test_0_and_255_with_too_many_names(learn, tmp_path):
    with pytest.raises(
        ValueError, match=r"mask0\.png: 3 names \(a, b, c\), but the masks hold 2 values \(0 and 255\): give"
    ):
        learn([0, 255, 0], [0, 0, 0], classes="a,b,c")
    _, maps, notes = learn([0, 255, 0], classes="a,b,c", void=255)
    assert maps == [[0, 255, 0]]
    assert "255 is void" in notes
    (tmp_path / "classes.json").write_text('{"names": ["a", "b", "c"], "void": [255]}')
    assert learn([0, 255, 0])[1] == [[0, 255, 0]]
    (tmp_path / "classes.json").write_text('["a", "b", "c"]')
    with pytest.raises(ValueError, match="3 names"):
        learn([0, 255, 0])


def test_many_class_numbers_are_no_grey_edges(learn):
    found, maps, _ = learn([*range(19), 255])
    assert len(found.classes) == 19
    assert maps == [[*range(19), 255]]


def test_0_and_1(learn):
    found, maps, notes = learn([0, 1, 255], [1, 0, 0])
    assert found.classes.names == ("background", "foreground")
    assert maps == [[0, 1, 255], [1, 0, 0]]
    assert "255 is void" in notes


def test_class_numbers(learn):
    found, maps, notes = learn([0, 1, 2], [0, 4, 255])
    assert found.classes == Classes.numbered(5)
    assert maps == [[0, 1, 2], [0, 4, 255]]
    assert "masks hold 0, 1, 2, 4, 255: read as class numbers; name them with --classes | 255 is void" in notes


def test_camvid(trial_data, tmp_path):
    masks = sorted((trial_data("camvid") / "trainannot").iterdir())
    names = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
    found, notes = recognise(masks, read_class_spec(tmp_path, names, 11))
    assert notes[1] == "11 is void: not learnt, not counted"
    assert notes[2] == "what masks hold was learnt from 200 of the 367, evenly spaced"
    raw = np.asarray(Image.open(masks[0]))
    assert (found.class_map(masks[0]).numpy() == np.where(raw == 11, 255, raw)).all()
    assert dict(found.values)[255] == 255


def test_off_by_one(learn):
    found, maps, notes = learn([1, 2, 3], [3, 3, 1])
    assert maps == [[0, 1, 2], [2, 2, 0]]
    assert len(found.classes) == 3
    assert "shifted by one: there is no 0" in notes
    _, maps, notes = learn([1, 3, 0], classes="a,b,c", void=0)
    assert maps == [[0, 2, 255]]
    assert "shifted by one" in notes
    assert learn([1, 2], classes="a,b,c")[1] == [[1, 2]]


def test_spread_values(learn):
    _, maps, notes = learn([0, 128, 255], classes="a,b,c")
    assert maps == [[0, 1, 2]]
    assert "in ascending order, 0 as 'a', 128 as 'b', 255 as 'c'" in notes
    _, maps, notes = learn([0, 70, 140])
    assert maps == [[0, 1, 2]]
    assert "masks hold 0, 70, 140: read as classes 0 to 2, in ascending order" in notes


def test_values_that_do_not_fit_the_names(learn):
    with pytest.raises(ValueError, match=r"mask1\.png holds 7, but the 3 classes are numbered 0 to 2 and 255 is void"):
        learn([0, 1, 2, 3], [0, 7, 0, 3], classes="a,b,c", void=3)


def test_one_value_only(learn):
    with pytest.raises(ValueError, match=r"mask0\.png: the masks hold nothing but 0"):
        learn([0, 0])
    assert learn([0, 0], classes="background,cell")[1] == [[0, 0]]


def test_a_grey_image_is_no_mask(learn):
    with pytest.raises(ValueError, match="256 different values, too many for classes"):
        learn(range(256))


def test_a_value_that_was_not_seen_before(learn, save):
    found, _, _ = learn([0, 1, 2])
    late = save("late.png", np.array([[0, 9]], np.uint8))
    with pytest.raises(ValueError, match=r"late\.png holds 9, which is no class: allowed are 0 \(class 0\), 1"):
        found.class_map(late)
    with pytest.raises(ValueError, match=r"colours\.png is a mask in colours, unlike the others"):
        found.class_map(save("colours.png", np.array([[[0, 1, 2]]], np.uint8)))


def test_blurred_edges_of_two_classes(learn):
    disc = (np.hypot(*np.mgrid[-40:40, -40:40]) < 25).astype(np.uint8) * 255
    found, maps, notes = learn(disc, ending="jpg", quality=90)
    assert (np.array(maps[0]) == disc // 255).mean() > 0.995
    assert set(np.unique(maps[0])) == {0, 1}
    assert found.classes.names == ("background", "foreground")
    assert "grey edges" in notes
    assert "read below 128 as 'background', the rest as 'foreground'" in notes


def test_blurred_edges_of_real_masks(trial_data, tmp_path):
    masks = sorted(trial_data("magnetic-tile").rglob("*.png"))
    found, notes = recognise(masks, read_class_spec(tmp_path, "defect"))
    assert found.classes.names == ("background", "defect")
    assert "grey edges (0.3% of the pixels)" in notes[0]
    with pytest.raises(
        ValueError, match=r"3 names \(a, b, c\), but the masks hold 2 values \(0 and 255, and grey edges"
    ):
        recognise(masks, read_class_spec(tmp_path, "a,b,c"))


def test_jpeg_masks_of_several_classes(learn):
    squares = np.kron(np.array([[0, 90], [180, 255]], np.uint8), np.ones((20, 20), np.uint8))
    squares[5:30, 5:30] = np.random.default_rng(0).integers(0, 4, (25, 25)) * 60
    for classes in ("a,b,c,d", None):
        with pytest.raises(ValueError, match=r"mask0\.jpg is a JPEG, whose compression") as error:
            learn(squares, classes=classes, ending="jpg", quality=60)
        assert "--void" not in str(error.value)


def test_a_jpeg_among_pngs(learn, save):
    found, _, _ = learn([[0, 1, 2, 3]])
    noisy = save("noisy.jpg", np.full((8, 8), 77, np.uint8))
    with pytest.raises(ValueError, match=r"noisy\.jpg is a JPEG, whose compression made 77 of class numbers"):
        found.class_map(noisy)


def soft_square(levels):
    """A white square with a border of each level, one pixel wide."""
    mask = np.zeros((24, 24), np.uint8)
    for k, level in enumerate([*levels, 255]):
        mask[4 + k : 20 - k, 4 + k : 20 - k] = level
    return mask


@pytest.mark.parametrize("levels", [(64, 191), (64, 128, 191), (85, 170)])
def test_soft_edges_of_few_levels(learn, levels):
    found, maps, notes = learn(soft_square(levels), soft_square(levels)[::-1])
    assert found.classes.names == ("background", "foreground")
    assert np.sum(maps[0]) == (soft_square(levels) >= 128).sum()
    assert "grey edges" in notes


def test_grey_areas_are_no_edges(learn):
    mask = soft_square((64, 191))
    mask[:4, :12] = 64
    assert len(learn(mask)[0].classes) == 4


def test_one_grey_level_along_borders_is_asked_about(learn):
    mask = soft_square((128,))
    with pytest.raises(ValueError, match="128 occurs only along the borders between 0 and 255: is it a soft edge or a"):
        learn(mask)
    assert learn(mask, classes="background,cell")[0].classes.names == ("background", "cell")
    assert len(learn(mask, classes="background,edge,cell")[0].classes) == 3


def objects(number):
    mask = np.zeros((12, 40), np.uint8)
    for k in range(number):
        mask[2:8, 5 * k : 5 * k + 3] = k + 1
    return mask


def test_numbers_that_count_objects_are_pointed_out(learn):
    assert "--format label-map" in learn(objects(2), objects(5), objects(3))[2]
    assert "--format label-map" not in learn(objects(3), objects(3))[2]
    assert "--format label-map" not in learn(objects(2), objects(5), classes="a,b,c,d,e,f")[2]
    scattered = objects(5)
    scattered[10, 30] = 2
    assert "--format label-map" not in learn(objects(2), scattered)[2]


def test_a_palette(learn, save):
    palette = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
    _, maps, notes = learn([0, 2, 3], palette=palette)
    assert maps == [[0, 2, 3]]
    assert "read as class numbers" in notes
    found, maps, _ = learn([0, 2, 3], palette=palette, colors="nothing=0,0,0;plane=0,128,0;cat=128,128,0")
    assert maps == [[0, 1, 2]]
    assert found.classes.names == ("nothing", "plane", "cat")


RGB = np.array([[[0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)


def test_colours_that_nobody_named(learn):
    found, maps, notes = learn(RGB)
    assert found.classes == Classes(("#000000", "#0000ff", "#ff0000"), ((0, 0, 0), (0, 0, 255), (255, 0, 0)))
    assert maps == [[0, 2, 1]]
    assert "(0, 0, 255) as '#0000ff'" in notes
    assert learn(RGB[:, :2])[0].classes.names == ("background", "foreground")


def test_colours_with_names_need_to_be_matched(learn):
    with pytest.raises(ValueError, match='nobody said which is which class.*--colors "a=0,0,0;b=0,0,255;c=255,0,0"'):
        learn(RGB, classes="a,b,c")
    text = r'--colors "a=0,0,0;b=0,0,255;void=255,0,0"; void is no class: there are 3 colours$'
    with pytest.raises(ValueError, match=text):
        learn(RGB, classes="a,b")
    assert learn(RGB, classes="a,b", colors="a=0,0,0;b=0,0,255;void=255,0,0")[1] == [[0, 255, 1]]


def test_stated_colours(learn, save):
    found, maps, notes = learn(RGB, colors="road=255,0,0;sky=0,0,255;void=0,0,0")
    assert maps == [[255, 0, 1]]
    assert "(0, 0, 0) as void" in notes
    late = save("late.png", np.array([[[250, 0, 0], [255, 0, 0]]], np.uint8))
    with pytest.raises(
        ValueError, match=r"late\.png holds the colour \(250, 0, 0\) at 1 pix.*known one is \(255, 0, 0\)"
    ):
        found.class_map(late)


def test_too_many_colours(learn):
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3))
    with pytest.raises(ValueError, match="more than 64 different colours"):
        learn(noise)


def test_values_from_a_file_of_names(learn, tmp_path):
    (tmp_path / "classes.json").write_text('{"7": "road", "11": "car", "0": "void"}')
    found, maps, notes = learn([0, 7, 11])
    assert maps == [[255, 0, 1]]
    assert found.classes.names == ("road", "car")
    assert "(classes.json)" in notes
    with pytest.raises(ValueError, match="holds 8, which means nothing: known are 0, 7, 11, 255"):
        learn([7, 8])


@pytest.mark.parametrize(
    ("void", "names", "maps"),
    [(2, ("a", "b"), [0, 1, 255]), (1, ("a", "c"), [0, 255, 1]), ((1, 2), ("a",), [0, 255, 255])],
)
def test_a_class_whose_value_is_void_is_no_class(learn, void, names, maps):
    found, read, notes = learn([0, 1, 2], classes="a,b,c", void=void)
    assert found.classes.names == names
    assert read == [maps]
    assert "is no class, because its value is void" in notes
