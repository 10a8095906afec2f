"""The scores of a model on a data set, over one process or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import distributed

from ..classes import Classes
from ..console import track
from ..data.dataset import Dataset
from ..data.instance_truth import truth_for
from ..data.intensity_estimate import as_for_model
from ..images.read_ahead import read_ahead
from ..inference.detection_limit import detection_limit, limit_notes, reaches_limit
from ..inference.predictor import DEFAULT_SCORE_THRESHOLD, FAILURES, Predictor
from ..metrics import metrics_of
from ..metrics.bootstrap import Intervals
from ..metrics.metric import Metric, Row
from ..metrics.per_image import gather_lists
from ..models.base import Model
from ..ops.phrases import few
from ..segmentation import Segmentation
from .class_order import common_classes, reordered, with_classes
from .evaluation_report import Evaluation


def evaluate(
    model: Model | Predictor, dataset: Dataset, *, boundary: float | None = None, seed: int = 0, progress: bool = True
) -> Evaluation:
    """Score a model on each image of a data set, at the image's own size.

    Images are read in a second thread while the model computes. If `torch.distributed` is initialised, each process
    scores its share of the images, and every process gets the same result.

    Args:
        model: a model, or a `Predictor`, which states the device, test-time augmentation and tiles.
        dataset: a data set from `pixelwise.open_dataset`, with the classes of the model in any order.
        boundary: the tolerance of the boundary F1, or for objects the width of the boundaries of the boundary AP, in
            pixels or below 1 as a share of the image's diagonal; by default these scores are left out.
        seed: the seed of the bootstrap.
        progress: whether progress is shown on stderr.

    Raises:
        TypeError: if `dataset` is not a data set.
        ValueError: for a data set without images, or with other classes than the model; if not a single image could be
            scored; for an instance model on data that do not tell objects apart.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"evaluate takes a data set, pixelwise.open_dataset(path, split='val'), not {type(dataset).__name__}"
        )
    if not len(dataset):
        raise ValueError("the data set has no images: there is nothing to score")
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    dataset = truth_for(predictor.model, as_for_model(dataset, predictor.intensity))
    classes = common_classes(predictor.model.classes, dataset.classes)
    model = predictor.model
    metrics = metrics_of(model, classes, boundary, detection_limit(model))
    failures, full, crowded = _score_images(predictor, dataset, classes, metrics, progress)
    for metric in metrics:
        metric.reduce()
    failures, full, crowded = gather_lists(failures, full, crowded)
    if len(failures) == len(dataset):
        name, reason = failures[0]
        raise ValueError(f"not one of {len(dataset)} images could be scored; {name}: {reason}")
    report = _make_report(metrics, failures, predictor, dataset, seed)
    notes = limit_notes(model, full)
    if crowded:
        notes.append(
            f"more objects than the {detection_limit(model)} that the model finds at most are in {few(crowded)}: raise "
            "--max-detections"
        )
    return replace(report, notes=notes)


def _score_images(
    predictor: Predictor, dataset: Dataset, classes: Classes, metrics: Sequence[Metric], progress: bool
) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Feed this process's share of the images to the metrics.

    Returns:
        The name of each image that failed, and the reason; the names of the images with as many detections as the model
        gives at most; and the names of those with more objects than that.
    """
    rank, processes = 0, 1
    if distributed.is_available() and distributed.is_initialized():
        rank, processes = distributed.get_rank(), distributed.get_world_size()
    share = range(rank, len(dataset), processes)
    failures: list[tuple[str, str]] = []
    full: list[str] = []
    crowded: list[str] = []
    limit = detection_limit(predictor.model)
    samples = read_ahead(share, dataset.__getitem__)
    for i, read in track(samples, "evaluate", len(share), show=progress and rank == 0):
        name = dataset.records[i].name
        try:
            sample = with_classes(read(), classes)
            assert sample.truth is not None
            # All detections count, however low their scores: average precision ranks them.
            prediction = replace(predictor(sample.image, score_threshold=0.0), classes=classes)
        except FAILURES as error:
            failures.append((name, str(error)))
            _count_as_missed(metrics, dataset, i, classes)
        else:
            for metric in metrics:
                metric.update(prediction, sample.truth, name)
            if reaches_limit(predictor.model, prediction, DEFAULT_SCORE_THRESHOLD):
                full.append(name)
            if limit is not None and _number_of_objects(sample.truth) > limit:
                crowded.append(name)
    return failures, full, crowded


def _number_of_objects(truth: Segmentation) -> int:
    things = torch.tensor(truth.classes.things)[truth.labels]
    return int((things & ~truth.crowd).sum())


def _count_as_missed(metrics: Sequence[Metric], dataset: Dataset, i: int, classes: Classes) -> None:
    """Count all of an image's ground truth as missed, if it can be read."""
    try:
        truth = reordered(dataset.truth(i), classes)
    except FAILURES:
        return
    nothing = Segmentation(classes, truth.labels[:0], ids=torch.zeros(truth.size, dtype=torch.int32))
    for metric in metrics:
        metric.update(nothing, truth, dataset.records[i].name)


def _make_report(
    metrics: Sequence[Metric], failures: Sequence[tuple[str, str]], predictor: Predictor, dataset: Dataset, seed: int
) -> Evaluation:
    """Put the scores of all metrics side by side; the first one gives the main score."""
    per_class = [metric.per_class() for metric in metrics]
    per_image = [metric.per_image() for metric in metrics]
    scores: dict[str, float] = {}
    intervals: Intervals = {}
    definitions: dict[str, str] = {}
    for metric in metrics:
        scores |= metric.scores()
        # Each metric draws from the same seed, so that its intervals do not depend on the other metrics.
        intervals |= metric.intervals(np.random.default_rng(seed))
        definitions |= metric.DEFINITIONS
    return Evaluation(
        classes=metrics[0].classes,
        main=metrics[0].MAIN_SCORE,
        scores=scores,
        intervals=intervals,
        per_class=_joined(per_class),
        per_image=_joined(per_image),
        failures=tuple(failures),
        definitions=definitions,
        predictor=predictor,
        dataset=dataset,
    )


def _joined(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """Join the columns of several tables of the same rows."""
    table: list[Row] = []
    for rows in zip(*tables, strict=True):
        joined: Row = {}
        for row in rows:
            joined |= row
        table.append(joined)
    return table
