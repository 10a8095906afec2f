from __future__ import annotations

import struct
import threading
import warnings
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise.images import conversion
from pixelwise.images.intensity import IntensityRange
from pixelwise.images.reading import load_image, read_image, read_mask


def rows(path, **options):
    return read_image(path, **options).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "webp"])
def test_lossless_formats(save, photo, ending):
    path = save(f"a.{ending}", photo, **({"lossless": True} if ending == "webp" else {}))
    assert (rows(path) == photo).all()
    image = read_image(path)
    assert image.shape == (3, 12, 16)
    assert image.dtype == torch.uint8


def test_real_photos_are_decoded_as_pillow_does(trial_data):
    for path in sorted((trial_data("camvid") / "train").iterdir())[:3]:
        with Image.open(path) as image:
            assert (rows(path) == np.asarray(image.convert("RGB"))).all()


# What each of EXIF's orientations makes of the rows a b / c d / e f (Exif 2.3, table 6).
TURNED = dict(
    enumerate(("ab/cd/ef", "ba/dc/fe", "fe/dc/ba", "ef/cd/ab", "ace/bdf", "eca/fdb", "fdb/eca", "bdf/ace"), 1)
)


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_rotation(save, ending, orientation):
    stored = np.kron(np.array([[10, 50], [90, 130], [170, 210]], np.uint8), np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if ending == "webp" else {"quality": 100} if ending == "jpg" else {}
    path = save(f"a.{ending}", np.dstack([stored] * 3), exif=exif, **options)
    expected = [[10 + 40 * "abcdef".index(letter) for letter in row] for row in TURNED[orientation].split("/")]
    assert np.abs(rows(path)[4::8, 4::8, 0].astype(int) - expected).max() <= 2
    if ending != "jpg":
        assert (read_mask(path)[4::8, 4::8] == expected).all()


def test_uncompressed_palette_tiff_is_turned_too(save):
    exif = Image.Exif()
    exif[274] = 6
    path = save("a.tif", np.array([[0, 1, 2], [3, 4, 5]], np.uint8), palette=[*range(18)], exif=exif)
    assert read_mask(path).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert rows(path)[0, 0].tolist() == [9, 10, 11]


def test_grey_and_one_bit(save):
    grey = np.array([[0, 7, 255]], np.uint8)
    assert rows(save("grey.png", grey)).tolist() == [[[0] * 3, [7] * 3, [255] * 3]]
    bits = np.array([[True, False]])
    assert rows(save("bits.png", bits)).tolist() == [[[255] * 3, [0] * 3]]
    assert read_mask(save("bits.tif", bits)).tolist() == [[1, 0]]


def test_a_palette_gives_colours_to_images_and_indices_to_masks(save):
    path = save("a.png", np.array([[0, 2, 1]], np.uint8), palette=[0, 0, 0, 200, 10, 20, 30, 40, 50])
    assert rows(path).tolist() == [[[0, 0, 0], [30, 40, 50], [200, 10, 20]]]
    assert read_mask(path).tolist() == [[0, 2, 1]]


def test_what_is_transparent_lies_on_white(save):
    path = save("a.png", np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8))
    assert rows(path).tolist() == [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]


def test_cmyk(tmp_path):
    Image.new("CMYK", (16, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = rows(tmp_path / "a.jpg")
    assert red.shape == (8, 16, 3)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize(("high", "scale"), [(200, 1023), (1023, 1023), (1024, 4095), (16383, 16383), (40000, 65535)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_grey(tmp_path, high, scale, ending):
    values = np.array([[0, high // 2, high]], np.uint16)
    cv2.imwrite(str(tmp_path / f"a.{ending}"), values)
    assert rows(tmp_path / f"a.{ending}")[..., 0].tolist() == [[round(int(v) * 255 / scale) for v in values[0]]]
    assert rows(tmp_path / f"a.{ending}", intensity=IntensityRange(((0, high),)))[0, 2, 0] == 255
    assert (read_mask(tmp_path / f"a.{ending}") == values).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_colours(tmp_path, ending):
    cv2.imwrite(str(tmp_path / f"a.{ending}"), np.array([[[1000, 30000, 65535]]], np.uint16))
    assert rows(tmp_path / f"a.{ending}").tolist() == [[[255, 117, 4]]]


def test_a_16_bit_satellite_image(trial_data):
    path = trial_data("spacenet-tile") / "sample_geotiff.tif"
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(float)
    assert 4095 < values.max() <= 16383
    assert (rows(path)[..., 0] == np.rint(values * 255 / 16383)).all()


def test_floats(save):
    assert rows(save("unit.tif", np.array([[0, 0.5, 1]], np.float32)))[0, :, 0].tolist() == [0, 128, 255]
    assert rows(save("byte.tif", np.array([[0, 100, 254]], np.float32)))[0, :, 0].tolist() == [0, 100, 254]
    assert read_mask(save("mask.tif", np.array([[0, 3]], np.float32))).tolist() == [[0, 3]]


def test_nan_and_infinity_are_counted(save):
    path = save("holes.tif", np.array([[1, np.nan, np.inf], [0, np.nan, 1]], np.float32))
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=r"holes\.tif: 3 of 6 values are NaN or infinite"):
            read(path)


def test_negative_values(save):
    with pytest.raises(ValueError, match=r"a\.tif: holds negative values \(down to -2\)"):
        read_image(save("a.tif", np.array([[-2.0, 1]], np.float32)))


def test_a_mask_of_fractions(save):
    with pytest.raises(ValueError, match=r"a\.tif: a mask holds whole numbers, but this file holds 0\.5"):
        read_mask(save("a.tif", np.array([[0.5, 1]], np.float32)))


def bomb(path, width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_a_bomb_is_refused_by_its_header(tmp_path):
    bomb(tmp_path / "bomb.png", 100_000, 100_000)
    with pytest.raises(ValueError, match=r"bomb\.png: the image is 100000x100000, 10,000,000,000 pixels"):
        read_image(tmp_path / "bomb.png")


def test_the_limit_can_be_moved(save, photo):
    with pytest.raises(ValueError, match="191 are allowed"):
        read_image(save("a.png", photo), max_pixels=191)
    assert read_image(save("a.png", photo), max_pixels=192).shape == (3, 12, 16)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file(save, ending, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = save(f"cut.{ending}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"cut\.{ending}.*(broken|cut short)"):
        read_image(path)


EMPTY = [(b"", "is empty"), (b"%PDF-1.7 hello", "is no image"), (b"\xff\xd8\xff", "broken")]


@pytest.mark.parametrize(("data", "what"), EMPTY)
def test_a_file_that_is_no_image(tmp_path, data, what):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ValueError, match=rf"a\.jpg.*{what}"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_file_and_the_nearest(save, photo):
    path = save("street_017.png", photo)
    with pytest.raises(FileNotFoundError, match=r"did you mean 'street_017\.png'"):
        read_image(path.with_name("street_17.png"))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_image(path.parent / "images" / "a.png")
    with pytest.raises(ValueError, match="is a folder"):
        read_image(path.parent)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_thin_images(save, size):
    assert read_image(save("a.png", np.zeros((*size, 3), np.uint8))).shape == (3, *size)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scrambled_files_never_do_worse_than_an_error(save, photo):
    rng = np.random.default_rng(0)
    for ending in ("jpg", "png", "tif", "webp", "bmp", "gif"):
        whole = bytearray(save(f"a.{ending}", photo).read_bytes())
        for _ in range(25):
            data = whole.copy()
            for at in rng.integers(len(data), size=6):
                data[at] = rng.integers(256)
            path = save("a.png", photo).with_name(f"scrambled.{ending}")
            path.write_bytes(data)
            try:
                assert read_image(path, max_pixels=1_000_000).dtype == torch.uint8
            except ValueError as error:
                assert path.name in str(error)  # noqa: PT017


def test_planes_of_16_bits_are_refused_rather_than_mixed_up(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    size = {"count": 3, "height": 9, "width": 8, "dtype": "uint16", "photometric": "rgb", "interleave": "band"}
    with pytest.warns(UserWarning, match="no geotransform"), rasterio.open(tmp_path / "a.tif", "w", **size) as file:
        file.write(np.arange(216, dtype=np.uint16).reshape(3, 9, 8))
    with pytest.raises(ValueError, match=r"a\.tif.*planes of their own"):
        read_image(tmp_path / "a.tif")


def test_arrays_of_all_shapes():
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(load_image(rgb).permute(1, 2, 0), torch.from_numpy(rgb))
    rgba = np.dstack([rgb, np.full((2, 4), 255, np.uint8)])
    assert torch.equal(load_image(rgba), load_image(rgb))
    rgba[0, 0, 3] = 0
    assert load_image(rgba)[:, 0, 0].tolist() == [255, 255, 255]
    assert torch.equal(load_image(Image.fromarray(rgba)), load_image(rgba))
    grey = rgb[..., 0]
    assert torch.equal(load_image(grey), load_image(grey[:, :, None]))
    assert (load_image(grey).numpy() == grey).all()


@pytest.mark.filterwarnings("error")
def test_arrays_that_cannot_be_written():
    made = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    image = load_image(np.asarray(made))
    assert torch.equal(image, load_image(made))
    image[:] = 0
    assert np.asarray(made).max() == 23


def test_pil_images_are_turned_upright_and_made_rgb():
    upright = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    upright.getexif()[274] = 6
    assert load_image(upright).shape == (3, 3, 2)
    assert load_image(upright)[0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_pil_and_files_agree(mode, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    made = Image.fromarray(pixels).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    made.save(path)
    assert torch.equal(load_image(made), load_image(path))


def test_deep_pil_images_are_refused():
    with pytest.raises(ValueError, match="'I;16' has no full scale"):
        load_image(Image.fromarray(np.zeros((2, 2), np.uint16)))


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (3, TypeError, "not int"),
        (np.zeros((4, 4, 3)), TypeError, "float64"),
        (torch.zeros(3, 4, 4), TypeError, "float32"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), ValueError, r"\(4, 4, 3\)"),
        (np.zeros((3, 4, 9), np.uint8), ValueError, r"\(3, 4, 9\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
    ],
)
def test_what_is_no_image(source, error, text):
    with pytest.raises(error, match=text):
        load_image(source)


@pytest.fixture
def no_warning_yet(monkeypatch):
    monkeypatch.setattr(conversion, "_GUESS_WARNED", threading.Event())


def test_a_guessed_range_is_said_once(tmp_path, no_warning_yet):
    for name, high in (("a.png", 900), ("b.png", 3600)):
        cv2.imwrite(str(tmp_path / name), np.array([[0, high]], np.uint16))
    with pytest.warns(UserWarning, match=r"a\.png has more than 8 bits, .* 900, so 1023 becomes 255.*--range 0,900"):
        read_image(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(tmp_path / "b.png")


def test_nothing_is_said_of_a_stated_range(tmp_path, no_warning_yet):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 900]], np.uint16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png", intensity=IntensityRange(((0, 3600),)))[0].tolist() == [[0, 64]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_in_which_zero_is_white(save, dtype):
    top = np.iinfo(dtype).max
    values = np.array([[0, top // 5, top]], dtype)
    path = save("a.tif", values)
    data = bytearray(path.read_bytes())
    tag = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
    data[tag : tag + 2] = struct.pack("<H", 0)
    path.write_bytes(data)
    assert rows(path, intensity=IntensityRange(((0, 65535),)))[0, :, 0].tolist() == [255, 204, 0]


def test_floats_in_which_zero_is_white_are_refused(save):
    path = save("a.tif", np.array([[0, 1]], np.float32))
    data = bytearray(path.read_bytes())
    tag = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
    data[tag : tag + 2] = struct.pack("<H", 0)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="0 is white, but not which of its values is black"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["tif", "big.tif"])
def test_the_pages_of_a_stack_are_counted(save, dtype, kind):
    pages = [Image.fromarray(np.full((2, 3), 10 * k, dtype)) for k in range(5)]
    path = save(f"stack.{kind}", pages[0], save_all=True, append_images=pages[1:], big_tiff=kind == "big.tif")
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match="has 5 pages, and one image is wanted.*page=1"):
            read(path)
    whole = IntensityRange(((0, 255),))
    assert [int(read_image(path, page=k, intensity=whole)[0, 0, 0]) for k in (1, 3, 5)] == [0, 20, 40]
    with pytest.raises(ValueError, match="has no page 6: its pages are numbered from 1 to 5"):
        read_image(path, page=6)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_the_frames_of_an_animation_are_counted(save, ending):
    frames = [Image.fromarray(np.full((8, 8, 3), 100 * k, np.uint8)) for k in range(3)]
    path = save(f"a.{ending}", frames[0], save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="has 3 frames, and one image is wanted"):
        read_image(path)
    assert int(read_image(path, page=3)[0, 0, 0]) == pytest.approx(200, abs=3)


def test_an_overview_is_no_page(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    values = np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64)
    options = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "a.tif", "w", **options) as file:
            file.write(values)
            file.build_overviews([2, 4])
    assert (rows(tmp_path / "a.tif")[..., 0] == values[0]).all()
