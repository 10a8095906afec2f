"""Summary of a model: parameters, multiply-adds, strides and receptive field, without computing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from ..console import text_table
from ..models.base import Model
from .receptive_field import FieldTracer

SIDE = 16385
"""Side of the image for strides and receptive fields, pixels; a larger receptive field counts as the whole image."""


@dataclass(frozen=True)
class Layers:
    """All layers of one kind, kernel, rate and stride.

    Attributes:
        kind: convolution, depthwise convolution, max pooling …
        kernel: height and width k.
        rate: of dilation (atrous), r.
        effective: height and width that the dilated kernel covers, k + (k − 1)(r − 1).
        stride: pixels of the image per value of the output map, along an axis; None for pooled cells and tokens.
        number: how often such a layer runs.
        parameters: of all of them; shared ones are counted once.
        multiply_adds: of all of them, for an image of the summary's size.
        receptive_field: the longest side of the receptive field of an output value, pixels; None for the whole image.
    """

    kind: str
    kernel: tuple[int, int]
    rate: int
    effective: tuple[int, int]
    stride: int | None
    number: int
    parameters: int
    multiply_adds: int
    receptive_field: int | None


@dataclass(frozen=True)
class Summary:
    """The result of `summarize`.

    Attributes:
        name: of the method.
        size: height and width of the image that the multiply-adds are for.
        parameters: all of them, those of heads that only training needs included.
        trainable: number of parameters that training changes.
        multiply_adds: of convolutions and matrix products, for the prediction of one image.
        receptive_field: the longest side of the region that the class of a pixel depends on, pixels; None for the whole
            image.
        strides: of the feature maps, pixels of the image per value along an axis.
        layers: kind by kind, in the order of the forward pass.
    """

    name: str
    size: tuple[int, int]
    parameters: int
    trainable: int
    multiply_adds: int
    receptive_field: int | None
    strides: tuple[int, ...]
    layers: tuple[Layers, ...]

    def table(self) -> str:
        """The summary as text for a terminal."""
        rows = [["layers", "kernel", "rate", "covers", "stride", "number", "parameters", "multiply-adds", "sees"]]
        rows += [_row(layers) for layers in self.layers]
        other = self.parameters - sum(layers.parameters for layers in self.layers)
        rows.append(["norms and others", "", "", "", "", "", f"{other:,}", "", ""])
        height, width = self.size
        field = f"{self.receptive_field} pixels" if self.receptive_field else "the whole image"
        trained = "all" if self.trainable == self.parameters else f"{self.trainable:,}"
        lines = [
            text_table(rows),
            "",
            f"{self.name}: {self.parameters:,} parameters, {trained} trainable",
            f"{_short(self.multiply_adds)} multiply-adds for an image of {width}x{height}",
            f"the class of a pixel depends on {field}",
            f"strides: {', '.join(map(str, self.strides))}",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values; a receptive field of None is the whole image."""
        return asdict(self)


def summarize(model: Model, size: tuple[int, int] = (512, 512)) -> Summary:
    """Summarise a model as it predicts, without computing anything: it takes a second and no memory.

    Args:
        model: any; it stays as it is.
        size: height and width of the image that multiply-adds are counted for, pixels.

    Raises:
        ValueError: a side of the size is less than one pixel.
    """
    if min(size) < 1:
        raise ValueError(f"size is {size}: height and width in pixels, 1 or more")
    # Receptive fields take a large image, on which they are not cut off; multiply-adds the one that is asked for.
    traced, field = _trace(model, (SIDE, SIDE))
    counted, _ = _trace(model, size)
    layers = [replace(a, multiply_adds=b.multiply_adds) for a, b in zip(traced, counted, strict=True)]
    parameters = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    strides = {layer.stride for layer in layers if layer.stride}
    return Summary(
        name=model.method,
        size=size,
        parameters=parameters,
        trainable=trainable,
        multiply_adds=multiply_adds,
        receptive_field=None if field == SIDE else field,
        strides=tuple(sorted(strides)),
        layers=tuple(_grouped(layers)),
    )


def _trace(model: Model, size: tuple[int, int]) -> tuple[list[Layers], int | None]:
    """Run a model on an image without memory.

    Returns:
        Each layer by itself, in the order of the forward pass; and the longest side of the receptive field of an output
        value, None for the whole image.
    """
    recorder = _LayerRecorder(model, size)
    with model.predicting(), torch.no_grad(), recorder.tracer:
        outputs = functional_call(model, recorder.tensors, (recorder.image,))
    fields = [recorder.tracer.longest(output) for output in tree_leaves(outputs) if isinstance(output, Tensor)]
    return recorder.layers, _longest(fields)


class _LayerRecorder:
    """Records the layers of a model, operation by operation.

    Args:
        model: any.
        size: height and width of the image.

    Attributes:
        tensors: the model's parameters and buffers, without memory.
        image: without memory too.
        tracer: to be entered while the model runs.
        layers: those that have run.
    """

    def __init__(self, model: Model, size: tuple[int, int]) -> None:
        self.height = size[0]
        self.tensors = {name: t.to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
        self.image = torch.empty(1, 3, *size, device="meta")
        self.tracer = FieldTracer(self.image, self.visit)
        self.layers: list[Layers] = []
        self._uncounted = {name: p.numel() for name, p in model.named_parameters()}
        self._names = WeakTensorKeyDictionary({self.tensors[name]: name for name in self._uncounted})

    def visit(self, func: Any, args: Sequence[Any], result: Any) -> None:
        """Record an operation if it is a layer."""
        operation = func._overloadpacket.__name__
        if operation in ("t", "transpose", "view") and args[0] in self._names:
            self._names[result] = self._names[args[0]]  # a linear layer multiplies with its transposed weight
        layer = _layer_of(operation, args)
        if layer is None:
            return
        kind, (height, width), rate = layer
        output = result[0] if isinstance(result, tuple) else result
        rows = self.tracer.rows(output)
        count = flop_registry.get(func._overloadpacket)
        self.layers.append(
            Layers(
                kind=kind,
                kernel=(height, width),
                rate=rate,
                effective=(height + (height - 1) * (rate - 1), width + (width - 1) * (rate - 1)),
                stride=max(1, round(self.height / rows)) if rows else None,
                number=1,
                parameters=self._count_parameters(args),
                multiply_adds=count(*args, out_val=result) // 2 if count else 0,
                receptive_field=self.tracer.longest(output),
            )
        )

    def _count_parameters(self, args: Sequence[Any]) -> int:
        """Number of parameters among the arguments of an operation, without those that were counted before."""
        total = 0
        for arg in args:
            if isinstance(arg, Tensor) and arg in self._names:
                total += self._uncounted.pop(self._names[arg], 0)
        return total


def _layer_of(operation: str, args: Sequence[Any]) -> tuple[str, tuple[int, int], int] | None:
    """Kind, kernel and rate of the layer that an operation of ATen is; None if it is no layer."""
    if operation == "convolution":
        x, weight, _, _, _, dilation, transposed, _, groups = args
        kind = "transposed convolution" if transposed else "convolution"
        if groups > 1:
            kind = f"{'depthwise' if groups == x.shape[1] else 'grouped'} {kind}"
        return kind, _pair(weight.shape[2:]), max(dilation)
    if operation == "max_pool2d_with_indices":
        return "max pooling", _pair(args[1]), max(args[4]) if len(args) > 4 else 1
    if operation == "avg_pool2d":
        return "average pooling", _pair(args[1]), 1
    if operation in ("mm", "bmm", "addmm", "baddbmm"):
        return "matrix product", (1, 1), 1
    return None


def _grouped(layers: Sequence[Layers]) -> Iterator[Layers]:
    """Unite the layers of one kind, kernel, rate and stride."""
    groups: dict[Any, list[Layers]] = {}
    for layer in layers:
        groups.setdefault((layer.kind, layer.kernel, layer.rate, layer.stride), []).append(layer)
    for group in groups.values():
        parameters = sum(layer.parameters for layer in group)
        multiply_adds = sum(layer.multiply_adds for layer in group)
        field = _longest([layer.receptive_field for layer in group])
        yield replace(
            group[0],
            number=len(group),
            parameters=parameters,
            multiply_adds=multiply_adds,
            receptive_field=field,
        )


def _longest(fields: Sequence[int | None]) -> int | None:
    """The longest of several receptive fields; None, which is the whole image, if one of them is None."""
    longest = 0
    for field in fields:
        if field is None:
            return None
        longest = max(longest, field)
    return longest


def _row(layers: Layers) -> list[str]:
    """The cells of a row of the table."""
    return [
        layers.kind,
        _by(layers.kernel),
        f"{layers.rate}",
        _by(layers.effective) if layers.rate > 1 else "",
        f"{layers.stride or '–'}",
        f"{layers.number}",
        f"{layers.parameters:,}",
        _short(layers.multiply_adds),
        "all" if layers.receptive_field is None else f"{layers.receptive_field}",
    ]


def _pair(sides: Sequence[int]) -> tuple[int, int]:
    return (sides[0], sides[-1]) if sides else (1, 1)


def _by(sides: tuple[int, int]) -> str:
    return f"{sides[0]}×{sides[1]}"


def _short(number: int) -> str:
    """A number of multiply-adds in three digits: 4.09 G."""
    for power, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:.3g} {unit}" if number < 100 * power else f"{number / power:,.0f} {unit}"
    return f"{number}"
