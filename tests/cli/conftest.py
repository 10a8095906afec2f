"""A little model and a little data set for the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pixelwise.cli import main
from pixelwise.cli.exit_codes import WRONG_INPUT


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A checkpoint of an untrained little U-Net that predicts both of its two classes in noise."""
    import torch

    from pixelwise import Classes, create
    from pixelwise.weights import checkpoint

    path = tmp_path_factory.mktemp("model") / "best.safetensors"
    classes = Classes(("background", "nucleus"), things=(False, True), background=0)
    torch.manual_seed(0)
    network = create("unet_padded", classes=classes, width=2)
    with torch.no_grad():
        network.head.weight[1] = -network.head.weight[0]
        logits = network.eval()(torch.rand(1, 3, 40, 50)).logits[0]
        network.head.bias -= logits.flatten(1).median(1).values
    checkpoint.save(network, path, {})
    return path


@pytest.fixture
def cells(tmp_path) -> Path:
    """Two images with masks, one in each split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / "cells" / kind / split).mkdir(parents=True)
        mask = (rng.random((40, 50)) > 0.5).astype(np.uint8) * 255
        cv2.imwrite(str(tmp_path / "cells" / "images" / split / "a.png"), rng.integers(0, 255, (40, 50, 3)))
        cv2.imwrite(str(tmp_path / "cells" / "masks" / split / "a.png"), mask)
    return tmp_path / "cells"


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """`refused("train", "--lr", "x")`: the one line that a refused command prints."""

    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(words) == WRONG_INPUT
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1, f"an error is one line:\n{printed.err}"
        return printed.err.rstrip("\n")

    return run
