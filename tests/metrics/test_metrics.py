from __future__ import annotations

from types import SimpleNamespace

from pixelwise.data.shapes import shapes
from pixelwise.metrics import METRICS, metrics_of


def test_the_first_is_the_metric_of_the_task():
    classes = shapes(1).classes
    for task, metric in METRICS.items():
        assert type(metrics_of(SimpleNamespace(task=task), classes)[0]) is metric


def test_objects_are_scored_as_coco_and_as_microscopy_do():
    data = shapes(3, 64, 2)
    metrics = metrics_of(SimpleNamespace(task="instance"), data.classes, 0.02)
    for i in range(3):
        for metric in metrics:
            metric.update(data.truth(i), data.truth(i))
    scores = {name: value for metric in metrics for name, value in metric.scores().items()}
    assert {scores[name] for name in ("mask AP", "box AP", "boundary AP", "label AP", "AJI")} == {1.0}
    columns = [set(metric.per_class()[0]) - {"class"} for metric in metrics]
    assert not columns[0] & columns[1]


def test_boundaries_of_classes_where_asked():
    data = shapes(1, 64, 2, truth="semantic")
    plain, scored = (
        metrics_of(SimpleNamespace(task="semantic"), data.classes),
        metrics_of(SimpleNamespace(task="semantic"), data.classes, 2),
    )
    assert (len(plain), len(scored)) == (1, 2)
    scored[1].update(data.truth(0), data.truth(0))
    assert scored[1].scores()["boundary F1"] == 1.0
