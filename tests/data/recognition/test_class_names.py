from __future__ import annotations

import json

import pytest

from pixelwise import Classes
from pixelwise.data.recognition.class_names import object_classes
from pixelwise.data.recognition.class_spec import read_class_spec, write_classes


@pytest.mark.parametrize("given", ["background, cell", ("background", "cell"), ["background", "cell"]])
def test_names(tmp_path, given):
    known = read_class_spec(tmp_path, given)
    assert known.classes == Classes(("background", "cell"), background=0)
    assert known.source == "as stated"


def test_void(tmp_path):
    assert read_class_spec(tmp_path, void=11).void == (11,)
    assert read_class_spec(tmp_path, void=[0, 254]).void == (0, 254)
    for wrong in (-1, [70000], ["x"]):
        with pytest.raises(ValueError, match="void is"):
            read_class_spec(tmp_path, void=wrong)


@pytest.mark.parametrize(
    "given",
    [
        "road=128,64,128; sky = 70,130,180;void=0,0,0",
        {"road": (128, 64, 128), "sky": [70, 130, 180], "void": (0, 0, 0)},
    ],
)
def test_colors(tmp_path, given):
    known = read_class_spec(tmp_path, colors=given)
    assert known.classes == Classes(("road", "sky"), ((128, 64, 128), (70, 130, 180)))
    assert known.colors == (((128, 64, 128), 0), ((70, 130, 180), 1), ((0, 0, 0), 255))


def test_colors_in_another_order_than_the_names(tmp_path):
    known = read_class_spec(tmp_path, classes="sky,road", colors="road=1,1,1;sky=2,2,2")
    assert known.classes.names == ("sky", "road")
    assert dict(known.colors) == {(1, 1, 1): 1, (2, 2, 2): 0}
    with pytest.raises(ValueError, match="colors name 'road'"):
        read_class_spec(tmp_path, classes="sky,street", colors="road=1,1,1;sky=2,2,2")


@pytest.mark.parametrize("colors", ["road", "road=1,2", "road=1,2,300", "=1,2,3", ""])
def test_colors_that_are_none(tmp_path, colors):
    with pytest.raises(ValueError, match="colors are given as"):
        read_class_spec(tmp_path, colors=colors)


def test_a_colour_is_quoted_as_it_was_given(tmp_path):
    with pytest.raises(ValueError, match=r", not cell:255,0,0$"):
        read_class_spec(tmp_path, colors="cell:255,0,0")
    with pytest.raises(ValueError, match=r", not cell=255,0$"):
        read_class_spec(tmp_path, colors={"cell": (255, 0)})


def test_names_that_are_none(tmp_path):
    for wrong in ("", "a,,b", [1, 2]):
        with pytest.raises(ValueError, match="classes are"):
            read_class_spec(tmp_path, classes=wrong)


FILES = {
    "classes.txt": ("sky\nroad\n", ("sky", "road"), (), ()),
    "class_names.txt": ("__ignore__\n_background_\ncat\n", ("_background_", "cat"), (), ()),
    "classes.json": ('["sky", "road"]', ("sky", "road"), (), ()),
    "labelmap.txt": (
        "# label:color_rgb:parts:actions\nsky:1,2,3::\nroad:4,5,6::\n",
        ("sky", "road"),
        (),
        (((1, 2, 3), 0), ((4, 5, 6), 1)),
    ),
    "class_dict.csv": ("name,r,g,b\nsky,1,2,3\nVoid,4,5,6\n", ("sky",), (), (((1, 2, 3), 0), ((4, 5, 6), 255))),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    text, names, values, colors = FILES[name]
    (tmp_path / name).write_text(text)
    known = read_class_spec(tmp_path)
    assert (known.classes.names, known.values, known.colors, known.source) == (names, values, colors, name)
    assert read_class_spec(tmp_path, classes="a,b").classes.names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "text"),
    [("classes.json", '{"7": "sky", "9": "void", "11": "road"}'), ("classes.txt", "7 sky\n9: void\n11,road")],
)
def test_values_in_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    known = read_class_spec(tmp_path)
    assert (known.classes.names, known.values, known.void) == (("sky", "road"), ((7, 0), (11, 1)), (9,))


@pytest.mark.parametrize("text", ["", "{", "7", '{"names": [1], "colors": 3, "things": 0}', '{"a": "b"}', '["a", "a"]'])
def test_files_that_name_nothing(tmp_path, text):
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(ValueError, match=r"classes\.json should name the classes"):
        read_class_spec(tmp_path)


def test_round_trip(tmp_path):
    classes = Classes(("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), (True, False, True), 1)
    write_classes(classes, (9,), tmp_path / "classes.json")
    known = read_class_spec(tmp_path)
    assert (known.classes, known.void) == (classes, (9,))
    assert json.loads((tmp_path / "classes.json").read_text())["names"] == ["a", "b", "c"]


def test_objects_and_a_background():
    every = ("cat", "dog", "background")
    assert object_classes(every, None, "x").names == ("nothing", *every)
    assert object_classes(every[:2], "dog", "x").names == ("background", "dog")
    assert object_classes(every[:2], ["floor", "dog", "cat"], "x").names == ("floor", "dog", "cat")
    assert object_classes(every[:2], None, "x").things == (False, True, True)
    given = Classes(("dog", "cat"))
    assert object_classes(every, given, "x") == given
    with pytest.raises(ValueError, match="pets.json has no category 'dgo'; did you mean 'dog'"):
        object_classes(every, "dgo", "pets.json")
