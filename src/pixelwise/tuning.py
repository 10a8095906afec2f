"""Tuning of the post-processing: searched on one half of a validation split, judged on the other half."""

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
from .data.intensity_estimate import as_for_model
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

CRF_RANGES = {
    "pos_w": (0.3, 10.0),
    "pos_xy": (0.5, 8.0),
    "bi_w": (0.5, 12.0),
    "bi_xy": (5.0, 150.0),
    "bi_rgb": (2.0, 25.0),
}
"""Smallest and largest value of each parameter of the CRF, drawn on a logarithmic scale; DeepLab searched in these."""

AREAS = (16, 64, 256, 1024, 4096)
"""The candidate areas of the cleaning steps, pixels."""

LOCAL_DEVIATION = 0.3
"""The standard deviation of the logarithm of a parameter's change when the search goes on near the best."""

MAX_STORED_BYTES = 4 << 30
"""The most bytes of probabilities that are kept on disk; further images are left out."""

BOOTSTRAP_DRAWS = 1000
"""The number of data sets drawn from the judged images for the intervals of the gains."""

FINALISTS = 3
"""The number of parameter sets that are compared on all images of the search."""

Metrics = tuple[ConfusionMatrix, BoundaryScore]


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """The result of a search, and its gain on images that the search did not see.

    Attributes:
        chain: the best post-processing on the images of the search; empty when nothing beats no post-processing.
        before, after: the scores of the judged images without post-processing and with the chain.
        gains: the 95 % interval of the gain in each score, by bootstrap over the judged images: both ways are scored on
            the same draws.
        per_class: a row for each class with its IoU and boundary F1, before and after.
        trials: each chain that was tried, with its mIoU on the images on which all were compared, in order.
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
        """True if the gain in mIoU on the judged images is significant: its 95 % interval lies above 0."""
        return bool(self.chain) and self.gains["mIoU"][0] > 0

    def table(self) -> str:
        """Return the scores before and after, and the verdict, as text for a terminal."""
        rows: list[list[object]] = [["judged images", "before", "after", "gain", "95 % interval"]]
        for name, before in self.before.items():
            after = self.after[name]
            low, high = self.gains[name]
            rows.append([name, before, after, f"{after - before:+.4f}", f"{low:+.4f} to {high:+.4f}"])
        classes: list[list[object]] = [list(self.per_class[0])]
        classes += [list(row.values()) for row in self.per_class]
        return "\n".join([text_table(rows), "", text_table(classes), "", self._verdict()])

    def apply(self, path: str | os.PathLike[str]) -> bool:
        """Write the chain into a checkpoint if it helps; otherwise leave the file as it is.

        Args:
            path: of the checkpoint, or the folder of a run, whose `best.safetensors` is taken.

        Returns:
            True if the file was written.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: the file is not a checkpoint of pixelwise.
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
        if self.helps:
            verdict = "It helps"
        elif self.gains["mIoU"][1] < 0:
            verdict = "It harms"
        else:
            verdict = "It does not help beyond chance"
        return f"{verdict}: {'; '.join(self._steps())}. {tried}."

    def _steps(self) -> list[str]:
        """The steps of the chain, as the flags of the command line say them."""
        record = self.chain.to_dict()
        crf = record.pop("crf", {})
        steps = [f"{name} {area}" for name, area in record.items()]
        if crf:
            steps.insert(0, "crf " + ",".join(f"{name}={value}" for name, value in crf.items()))
        return steps


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
    """Search the post-processing that raises a model's mIoU most, and judge it on images that the search did not see.

    The images are split at random into those of the search and those of the judgement, and the class probabilities of
    each are computed once. Two thirds of the CRFs are drawn at random and one third near the best of these; all are
    compared on a third of the images of the search, the best ones on all of them, also with no CRF at all. The areas
    of the cleaning steps are searched afterwards, one step after the other.

    Args:
        model: a semantic model, or a `Predictor` with a device, test-time augmentation and tiles; post-processing that
            it already has is left out.
        dataset: images that the model was not trained on, from `pixelwise.open_dataset(…, split="val")`.
        budget: number of CRFs that are tried; 0 for none, and then only areas.
        areas: search the areas of `fill_holes`, `merge_below` and, if the classes have a background, `drop_below`, too.
        images: the most images that are taken, of both halves together.
        boundary: tolerance of the boundary F1, pixels, or below 1 a share of the image's diagonal.
        seed: of the choice of images, of the search and of the bootstrap.
        progress: show a progress bar on a terminal.

    Raises:
        TypeError: the model has no class probabilities.
        ValueError: there are fewer than four images, the classes are not the model's, or an image is too large for a
            CRF.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:images].tolist()
    if len(chosen) < 4:
        raise ValueError(f"tuning needs four images or more, half of them to judge by, not {len(chosen)}")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    dataset = as_for_model(dataset, predictor.intensity)
    with tempfile.TemporaryDirectory(prefix="pixelwise-tune-") as folder:
        store = _Store(dataset, common_classes(predictor.model.classes, dataset.classes), Path(folder))
        stored = store.fill(predictor, chosen, progress)
        searched, judged = stored[::2], stored[1::2]
        best, trials = _search(store, searched, budget, rng, progress)
        if areas:
            best = _with_areas(store, best, searched)
        return _judge(store, best, searched, judged, trials=trials, boundary=boundary, rng=rng)


class _Store:
    """The class probabilities of images on disk, and the scores of chains on them.

    Args:
        dataset: the images and their ground truth.
        classes: that the model and the data share.
        folder: for the probabilities.
    """

    def __init__(self, dataset: Dataset, classes: Classes, folder: Path) -> None:
        self.dataset, self.classes, self.folder = dataset, classes, folder
        self.metric = ConfusionMatrix(classes)
        self.tallies: dict[tuple[Chain, int], NDArray[np.int64]] = {}

    def fill(self, predictor: Predictor, chosen: Sequence[int], progress: bool) -> list[int]:
        """Compute and store the probabilities of the chosen images.

        Returns:
            Those of the images for which there was room, four at least.
        """
        plain, room = predictor.without_postprocess(), MAX_STORED_BYTES
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
        """Return the class map, (H, W) uint8, that the chain makes of image i."""
        probabilities = torch.from_numpy(np.load(self.folder / f"{i}.npy")).float()
        best = chain.refine(probabilities, self.dataset.image(i)).argmax(0).to(torch.uint8).numpy()
        return chain.clean_map(best, self.classes.background)

    def truth(self, i: int) -> Segmentation:
        """Return the ground truth of image i in the shared classes."""
        truth = with_classes(self.dataset[i], self.classes).truth
        assert truth is not None
        return truth

    def count(self, class_map: NDArray[np.uint8], i: int) -> NDArray[np.int64]:
        """Return (3, C): for each class its correct pixels, those of the ground truth and those predicted."""
        return tally(self.metric.count(class_map, self.truth(i).class_map()))

    def score(self, chain: Chain, images: Sequence[int], bar: ProgressBar) -> float:
        """Return the mIoU of the chain on some images; each image is computed once for each chain."""
        for i in images:
            if (chain, i) not in self.tallies:
                self.tallies[chain, i] = self.count(self.class_map(chain, i), i)
                bar.advance(bool(chain))
        return _miou([self.tallies[chain, i] for i in images])


def _miou(tallies: Sequence[NDArray[np.int64]]) -> float:
    return float(np.nan_to_num(summarize(np.sum(tallies, 0))["mIoU"]))


def _search(
    store: _Store, images: Sequence[int], budget: int, rng: np.random.Generator, progress: bool
) -> tuple[Chain, list[tuple[Chain, float]]]:
    """Search the CRF; return the best chain on all images, and the trials on a third of them."""
    coarse = images[: max(1, len(images) // 3)]
    total = budget * len(coarse) + min(budget, FINALISTS) * (len(images) - len(coarse))
    with ProgressBar("tune", total, unit="trials", show=progress) as bar:
        trials = _try_crfs(lambda chain: store.score(chain, coarse, bar), budget, rng)
        ranked = sorted(trials, key=lambda trial: -trial[1])
        finalists = [chain for chain, _ in ranked[:FINALISTS]]
        # The empty chain comes first, so that a tie goes to no post-processing.
        best = max([Chain(), *finalists], key=lambda chain: store.score(chain, images, bar))
    return best, trials


def _try_crfs(score: Callable[[Chain], float], budget: int, rng: np.random.Generator) -> list[tuple[Chain, float]]:
    """Score the default CRF, then random ones, in the last third random ones near the best."""
    trials: list[tuple[Chain, float]] = []
    for n in range(budget):
        if n == 0:
            crf = CRF()
        elif n <= 2 * budget // 3:
            crf = _random_crf(rng)
        else:
            best = max(trials, key=lambda trial: trial[1])[0].crf
            assert best is not None
            crf = _crf_near(best, rng)
        chain = Chain(crf=crf)
        trials.append((chain, score(chain)))
    return trials


def _random_crf(rng: np.random.Generator) -> CRF:
    values = {}
    for name, (low, high) in CRF_RANGES.items():
        values[name] = _rounded(low * (high / low) ** rng.random())
    return CRF.from_dict(values)


def _crf_near(best: CRF, rng: np.random.Generator) -> CRF:
    values = {}
    for name in CRF_RANGES:
        values[name] = _rounded(getattr(best, name) * math.exp(LOCAL_DEVIATION * rng.standard_normal()))
    return CRF.from_dict(values)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _with_areas(store: _Store, chain: Chain, images: Sequence[int]) -> Chain:
    """Add the best area of each cleaning step to the chain, one step after the other."""
    maps = {i: store.class_map(chain, i) for i in images}
    background = store.classes.background
    steps = ["fill_holes", "merge_below"]
    if background is not None:
        steps.append("drop_below")

    def score(cleaning: Chain) -> float:
        return _miou([store.count(cleaning.clean_map(class_map, background), i) for i, class_map in maps.items()])

    cleaning = Chain()
    for step in steps:
        # The chain without the step comes first, so that a tie leaves it out.
        candidates = [cleaning]
        candidates += [Chain.from_dict({**cleaning.to_dict(), step: area}) for area in AREAS]
        cleaning = max(candidates, key=score)
    return replace(cleaning, crf=chain.crf)


def _judge(
    store: _Store,
    chain: Chain,
    searched: Sequence[int],
    judged: Sequence[int],
    *,
    trials: Sequence[tuple[Chain, float]],
    boundary: float,
    rng: np.random.Generator,
) -> Tuning:
    """Compare the chain with no post-processing on the images that the search did not see."""
    old = _measure(store, Chain(), judged, boundary)
    new = _measure(store, chain, judged, boundary)
    number = len(judged)
    # Each draw says how often every image occurs in a data set of the same size.
    draws = rng.multinomial(number, np.full(number, 1 / number), BOOTSTRAP_DRAWS)
    old_draws, new_draws = _scores(old, draws), _scores(new, draws)
    gains = {}
    for name in old_draws:
        low, high = np.nanquantile(new_draws[name] - old_draws[name], (0.025, 0.975)).tolist()
        gains[name] = (low, high)
    records = store.dataset.records
    searched_names = tuple(records[i].name for i in searched)
    judged_names = tuple(records[i].name for i in judged)
    return Tuning(
        chain=chain,
        before=_whole_scores(old),
        after=_whole_scores(new),
        gains=gains,
        per_class=_class_rows(store.classes, old, new),
        trials=tuple(trials),
        searched=searched_names,
        judged=judged_names,
    )


def _measure(store: _Store, chain: Chain, images: Sequence[int], boundary: float) -> Metrics:
    metrics = ConfusionMatrix(store.classes), BoundaryScore(store.classes, boundary)
    for i in images:
        prediction = Segmentation.from_class_map(torch.from_numpy(store.class_map(chain, i)), store.classes)
        for metric in metrics:
            metric.update(prediction, store.truth(i))
    return metrics


def _class_rows(classes: Classes, old: Metrics, new: Metrics) -> list[dict[str, Any]]:
    """A row for each class, with its IoU and boundary F1 before and after."""
    rows: list[dict[str, Any]] = [{"class": name} for name in classes.names]
    for k, score in enumerate(("IoU", "boundary F1")):
        for when, metrics in (("before", old), ("after", new)):
            for row, measured in zip(rows, metrics[k].per_class(), strict=True):
                row[f"{score} {when}"] = measured[score]
    return rows


def _whole_scores(metrics: Metrics) -> dict[str, float]:
    """The scores of all images, each once."""
    once = np.ones(len(metrics[0].images))
    return {name: float(value) for name, value in _scores(metrics, once).items()}


def _scores(metrics: Metrics, often: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """The scores of data sets that contain each image `often` times: (…, images) → (…) for each score."""
    pixels = np.tensordot(often, np.stack(metrics[0].images), 1)
    edges = np.tensordot(often, np.stack(metrics[1].images), 1)
    return summarize(pixels) | summarize_boundary(edges)
