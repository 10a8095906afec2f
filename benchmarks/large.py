"""Images that do not fit into memory, from disk to disk: minutes, and the most memory beyond that of the model.

    python benchmarks/large.py [--size 20000 20000] [--kinds tif png] [--classes 7] [--backbone none] [--threads 2]
                               [--name large]

The images are the bundled photos of nuclei, 256 pixels wide and shifted at random, beside each other: a tiled GeoTIFF
and a PNG (1.2 GB of pixels each at 20,000×20,000), made a band at a time and deleted after. The model is the paper's
U-Net with a width of 8 (or with an encoder of timm), random weights: memory and time do not depend on them.
Each image has a process of its own. Writes benchmarks/results/NAME.txt.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

import pixelwise
from pixelwise.demonstration import bundled
from pixelwise.images.reading import read_image
from pixelwise.images.rows import gdal
from pixelwise.inference.folder import predict_files
from pixelwise.inference.method import TILE
from pixelwise.inference.predictor import Predictor
from results import machine, write

SIDE = 256


def bands(height: int, width: int) -> Iterator[np.ndarray]:
    """(256, W, 3) uint8: the next rows."""
    photos = [read_image(path).permute(1, 2, 0).numpy() for path in sorted((bundled() / "images").iterdir())]
    photos = [cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for photo in photos]
    rng = np.random.default_rng(0)
    for top in range(0, height, SIDE):
        row = [
            np.roll(photos[rng.integers(len(photos))], tuple(rng.integers(0, SIDE, 2)), (0, 1))
            for _ in range(0, width, SIDE)
        ]
        yield np.concatenate(row, 1)[: height - top, :width]


def make_tif(path: Path, height: int, width: int) -> None:
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    place = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_300_000, 0.2, 0.2)}
    kind = {"driver": "GTiff", "count": 3, "dtype": "uint8", "photometric": "rgb", "bigtiff": "if_safer"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    with gdal(), rasterio.open(path, "w", height=height, width=width, **place, **kind, **tiles) as file:
        for n, band in enumerate(bands(height, width)):
            file.write(band.transpose(2, 0, 1), window=Window(0, SIDE * n, width, len(band)))


def make_png(path: Path, height: int, width: int) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)))
        for band in bands(height, width):
            rows = np.pad(band.reshape(len(band), -1), ((0, 0), (1, 0)))
            file.write(chunk(b"IDAT", packer.compress(rows.tobytes())))
        file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))


def peak() -> float:
    """The most memory that this process ever had, MB of 10⁶ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def run(path: Path, classes: int, backbone: str, threads: int) -> tuple[float, float, float, float]:
    """Seconds; MB with the model and an image of 64×64; with an image of one tile; at most."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    options = {"width": 8} if backbone == "none" else {"backbone": backbone}
    predictor = Predictor(pixelwise.create("unet", num_classes=classes, **options), device="cpu")
    predictor(torch.zeros(3, 64, 64, dtype=torch.uint8))
    small = peak()
    predictor(torch.zeros(3, TILE, TILE, dtype=torch.uint8))
    tile, start = peak(), time.perf_counter()
    done = predict_files(predictor, path, path.parent / "found")
    if not done.done:
        raise SystemExit(done.summary())
    return time.perf_counter() - start, small, tile, peak()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(20_000, 20_000), help="height and width, pixels")
    parser.add_argument("--kinds", nargs="+", choices=("tif", "png"), default=("tif", "png"))
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--backbone", default="none")
    parser.add_argument("--name", default="large", help="of the file below results/")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    height, width = options.size
    model = "the paper's U-Net of width 8" if options.backbone == "none" else f"U-Net with {options.backbone}"
    lines = [
        machine("torch", "rasterio", "numpy"),
        f"{model}, {options.classes} classes, {width}x{height} pixels, {options.threads} threads; MB = 10⁶ bytes",
        "file  MB of file  minutes  model alone  with one tile  at most  beyond the model",
    ]
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"large.{kind}")
            (make_tif if kind == "tif" else make_png)(path, height, width)
            size = path.stat().st_size / 1e6
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                ran = process.submit(run, path, options.classes, options.backbone, options.threads)
                seconds, small, tile, most = ran.result()
        numbers = f"{size:10.0f}  {seconds / 60:7.1f}  {small:11.0f}  {tile:13.0f}  {most:7.0f}  {most - small:16.0f}"
        lines.append(f"{kind:4}  {numbers}")
    write(options.name, lines)


if __name__ == "__main__":
    main()
