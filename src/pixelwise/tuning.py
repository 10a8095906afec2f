"""Which postprocessing helps a model: searched on one half of a validation split, judged on the other."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .classes import Classes
from .console import ProgressBar, text_table, track
from .data.dataset import Dataset
from .evaluation.class_order import common_classes, with_classes
from .inference.predictor import Predictor
from .metrics.boundary import BoundaryScore
from .metrics.boundary import summarize as summarize_boundary
from .metrics.confusion import ConfusionMatrix, summarize, tally
from .models.base import Model
from .ops.phrases import counted
from .postprocess.chain import Chain, check_crf_size
from .postprocess.crf import CRF
from .segmentation import Segmentation
from .weights.checkpoint import set_postprocess

RANGES = {"pos_w": (0.3, 10.0), "pos_xy": (0.5, 8.0), "bi_w": (0.5, 12.0), "bi_xy": (5.0, 150.0), "bi_rgb": (2.0, 25.0)}
"""Between what the parameters of the CRF are drawn, evenly on a logarithmic scale; DeepLab searched within these."""

AREAS = (16, 64, 256, 1024, 4096)
"""The areas that are tried, pixels."""

STEP = 0.3
"""The standard deviation of the logarithm of a parameter's change in the second half of the search."""

STORE = 4 << 30
"""So many bytes of probabilities are kept on disk at most; no more images are taken then."""

DRAWS = 1000
"""So many data sets are drawn from the judged images for the intervals."""

Metrics = tuple[ConfusionMatrix, BoundaryScore]

FINALISTS = 3
"""So many of the parameters are compared on all images of the search."""


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What a search found, and what it is worth on images that it did not see.

    Attributes:
        chain: the best that was found on the images of the search; an empty one when nothing beat doing nothing.
        before, after: the scores of the judged images without postprocessing and with the chain.
        gains: where the difference of each score lies for 95 % of the data sets drawn from the judged images
            (bootstrap, both ways scored on the same draws).
        per_class: a row a class: its IoU and its boundary F1, before and after.
        trials: the mIoU of each set of parameters on the images on which all were compared, in the order of trying.
        searched, judged: the names of the images.
    """

    chain: Chain
    before: Mapping[str, float]
    after: Mapping[str, float]
    gains: Mapping[str, tuple[float, float]]
    per_class: Sequence[Mapping[str, Any]]
    trials: Sequence[tuple[Chain, float]]
    searched: tuple[str, ...]
    judged: tuple[str, ...]

    @property
    def helps(self) -> bool:
        """Whether the mIoU of the judged images rises by more than chance: its gain's interval lies above 0."""
        return bool(self.chain) and self.gains["mIoU"][0] > 0

    def table(self) -> str:
        """The scores before and after for a terminal, and what was found."""
        rows: list[list[object]] = [["judged images", "before", "after", "gain", "95 % interval"]]
        for name, value in self.before.items():
            low, high = self.gains[name]
            rows.append(
                [name, value, self.after[name], f"{self.after[name] - value:+.4f}", f"{low:+.4f} to {high:+.4f}"]
            )
        classes = [list(self.per_class[0]), *(list(row.values()) for row in self.per_class)]
        return "\n".join([text_table(rows), "", text_table(classes), "", self._verdict()])

    def apply(self, path: str | os.PathLike[str]) -> bool:
        """Write the chain into a checkpoint, if it helps; otherwise the file stays as it is.

        Args:
            path: the file, or the folder of a training run, of which `best.safetensors` is taken.

        Returns:
            Whether it was written.

        Raises:
            FileNotFoundError, ValueError: there is no such checkpoint, or it is not one of ours.
            OSError: the file cannot be written.
        """
        if self.helps:
            set_postprocess(path, self.chain)
        return self.helps

    def _verdict(self) -> str:
        tried = (
            f"{len(self.trials)} sets of parameters were tried on {counted(len(self.searched), 'image')}; "
            f"judged on {len(self.judged)} others"
        )
        if not self.chain:
            return f"Nothing that was tried is better than no postprocessing. {tried}."
        record = self.chain.to_dict()
        crf = ",".join(f"{key}={value}" for key, value in record.pop("crf", {}).items())
        steps = "; ".join([*([f"crf {crf}"] if crf else []), *(f"{name} {area}" for name, area in record.items())])
        harms = self.gains["mIoU"][1] < 0
        verdict = "It helps" if self.helps else "It harms" if harms else "It does not help beyond chance"
        return f"{verdict}: {steps}. {tried}."


def tune(
    model: Model | Predictor,
    dataset: Dataset,
    *,
    budget: int = 24,
    areas: bool = False,
    images: int = 60,
    boundary: float = 2,
    seed: int = 0,
    progress: bool = True,
) -> Tuning:
    """Search the CRF, and areas if asked, that raise the mIoU of a model most, and say honestly whether they do.

    The images are split at random into those that the search sees and those by which its result is judged. The
    class probabilities of each are computed once. Two thirds of the budget are drawn at random, one third near the
    best of these, all compared on a third of the images of the search; the best are compared on all of them, and with
    no CRF at all. Areas follow, one step of the chain after the other.

    Args:
        model: a semantic model, or a `Predictor` that says on which device, with which flips, scales and tiles; a chain
            that it already has plays no part.
        dataset: images that the model was not trained on, from `pixelwise.open_dataset(…, split="val")`.
        budget: how many sets of parameters of the CRF are tried; 0 for none, then only areas.
        areas: whether to search `fill_holes`, `merge_below` and, where the classes have a background, `drop_below`.
        images: so many are taken at most, both halves together.
        boundary: tolerance of the boundary F1 that is given too, pixels, or below 1 a share of the diagonal.
        seed: of the choice of images, of the search, and of the bootstrap.
        progress: whether a bar is shown on a terminal.

    Raises:
        TypeError: when the model has no class probabilities.
        ValueError: for fewer than four images, for other classes than the model's, for an image that is too large
            for a CRF.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:images].tolist()
    if len(chosen) < 4:
        raise ValueError(f"tuning needs four images or more, half of them to judge by, not {len(chosen)}")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    with tempfile.TemporaryDirectory(prefix="pixelwise-tune-") as folder:
        store = _Store(dataset, common_classes(predictor.model.classes, dataset.classes), Path(folder))
        kept = store.fill(predictor, chosen, progress)
        searched, judged = kept[::2], kept[1::2]
        coarse = searched[: max(1, len(searched) // 3)]
        total = budget * len(coarse) + min(budget, FINALISTS) * (len(searched) - len(coarse))
        with ProgressBar("tune", total, unit="trials", show=progress) as bar:
            trials = _search(lambda chain: store.score(chain, coarse, bar), budget, rng)
            finalists = [chain for chain, _ in sorted(trials, key=lambda trial: -trial[1])[:FINALISTS]]
            best = max([Chain(), *finalists], key=lambda chain: store.score(chain, searched, bar))
        if areas:
            best = _with_areas(store, best, searched)
        return _judged(store, best, searched, judged, trials=trials, boundary=boundary, rng=rng)


class _Store:
    """The probabilities of images on disk, and what chains make of them."""

    def __init__(self, dataset: Dataset, classes: Classes, folder: Path) -> None:
        self.dataset, self.classes, self.folder = dataset, classes, folder
        self.metric = ConfusionMatrix(classes)
        self.tallies: dict[tuple[Chain, int], NDArray[np.int64]] = {}

    def fill(self, predictor: Predictor, chosen: Sequence[int], progress: bool) -> list[int]:
        """Computes and keeps the probabilities; the images that there was room for."""
        plain, room = predictor.without_postprocess(), STORE
        for n, i in enumerate(track(chosen, "predict", len(chosen), show=progress)):
            image = self.dataset.image(i)
            check_crf_size(len(self.classes), image.shape[1], image.shape[2])
            half = plain.probabilities(image).half().numpy()
            room -= half.nbytes
            if room < 0 and n >= 4:
                return list(chosen[:n])
            np.save(self.folder / f"{i}.npy", half)
        return list(chosen)

    def class_map(self, chain: Chain, i: int) -> NDArray[np.uint8]:
        """(H, W) uint8: what the chain makes of image i."""
        probabilities = torch.from_numpy(np.load(self.folder / f"{i}.npy")).float()
        best = chain.refine(probabilities, self.dataset.image(i)).argmax(0).to(torch.uint8).numpy()
        return chain.clean_map(best, self.classes.background)

    def truth(self, i: int) -> Segmentation:
        truth = with_classes(self.dataset[i], self.classes).truth
        assert truth is not None
        return truth

    def count(self, class_map: NDArray[np.uint8], i: int) -> NDArray[np.int64]:
        """(3, C): for each class the pixels found right, true and found."""
        return tally(self.metric.count(class_map, self.truth(i).class_map()))

    def score(self, chain: Chain, images: Sequence[int], bar: ProgressBar) -> float:
        """The mIoU of the chain on some images; what was computed before is not computed again."""
        for i in images:
            if (chain, i) not in self.tallies:
                self.tallies[chain, i] = self.count(self.class_map(chain, i), i)
                bar.advance(bool(chain))
        return _miou([self.tallies[chain, i] for i in images])


def _miou(tallies: Sequence[NDArray[np.int64]]) -> float:
    return float(np.nan_to_num(summarize(np.sum(tallies, 0))["mIoU"]))


def _search(score: Callable[[Chain], float], budget: int, rng: np.random.Generator) -> list[tuple[Chain, float]]:
    """The default parameters, then random ones, then such near the best; each with its score."""
    trials: list[tuple[Chain, float]] = []
    for n in range(budget):
        if n == 0:
            crf = CRF()
        elif n <= 2 * budget // 3:
            crf = CRF.from_dict(
                {name: _rounded(low * (high / low) ** rng.random()) for name, (low, high) in RANGES.items()}
            )
        else:
            best = max(trials, key=lambda trial: trial[1])[0].crf
            assert best is not None
            near = {name: getattr(best, name) * math.exp(STEP * rng.standard_normal()) for name in RANGES}
            crf = CRF.from_dict({name: _rounded(value) for name, value in near.items()})
        chain = Chain(crf=crf)
        trials.append((chain, score(chain)))
    return trials


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _with_areas(store: _Store, chain: Chain, images: Sequence[int]) -> Chain:
    """The chain with the area for each step that serves best, one step after the other."""
    maps = {i: store.class_map(chain, i) for i in images}
    background = store.classes.background
    steps = ("fill_holes", "merge_below") + (() if background is None else ("drop_below",))

    def score(cleaning: Chain) -> float:
        return _miou([store.count(cleaning.clean_map(found, background), i) for i, found in maps.items()])

    cleaning = Chain()
    for step in steps:
        candidates = [cleaning, *(Chain.from_dict({**cleaning.to_dict(), step: area}) for area in AREAS)]
        cleaning = max(candidates, key=score)
    return replace(cleaning, crf=chain.crf)


def _judged(
    store: _Store,
    chain: Chain,
    searched: Sequence[int],
    judged: Sequence[int],
    *,
    trials: Sequence[tuple[Chain, float]],
    boundary: float,
    rng: np.random.Generator,
) -> Tuning:
    """Both ways on the images that the search did not see."""
    old, new = (_measured(store, way, judged, boundary) for way in (Chain(), chain))
    number = len(judged)
    drawn = rng.multinomial(number, np.full(number, 1 / number), DRAWS)
    before, after = ({name: float(value) for name, value in _scores(m, np.ones(number)).items()} for m in (old, new))
    lower, higher = _scores(old, drawn), _scores(new, drawn)
    gains = {name: np.nanquantile(higher[name] - lower[name], (0.025, 0.975)).tolist() for name in before}
    cells = {
        f"{name} {when}": [row[name] for row in metric.per_class()]
        for k, name in enumerate(("IoU", "boundary F1"))
        for when, metric in (("before", old[k]), ("after", new[k]))
    }
    return Tuning(
        chain=chain,
        before=before,
        after=after,
        gains={name: (low, high) for name, (low, high) in gains.items()},
        per_class=[
            {"class": name} | {column: values[c] for column, values in cells.items()}
            for c, name in enumerate(store.classes.names)
        ],
        trials=tuple(trials),
        searched=tuple(store.dataset.records[i].name for i in searched),
        judged=tuple(store.dataset.records[i].name for i in judged),
    )


def _measured(store: _Store, chain: Chain, images: Sequence[int], boundary: float) -> Metrics:
    metrics = ConfusionMatrix(store.classes), BoundaryScore(store.classes, boundary)
    for i in images:
        found = Segmentation.from_class_map(torch.from_numpy(store.class_map(chain, i)), store.classes)
        for metric in metrics:
            metric.update(found, store.truth(i))
    return metrics


def _scores(metrics: Metrics, often: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The scores of data sets that hold each image so often: (…, images) → (…) each."""
    pixels, edges = (np.tensordot(often, np.stack(metric.images), 1) for metric in metrics)
    return summarize(pixels) | summarize_boundary(edges)
