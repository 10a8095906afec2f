"""What a network is: parameters, multiply-adds, strides and receptive field, found without computing anything."""

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

from ..models.base import Model
from .receptive_field import Watch

SIDE = 16385
"""Of the image, pixels, on which strides and receptive fields are looked for; a larger field counts as all of it."""


@dataclass(frozen=True)
class Layers:
    """The layers of one kind at one size of the map, as many as there are.

    Attributes:
        kind: convolution, depthwise convolution, max pooling …
        kernel: height and width k.
        rate: of dilation (atrous), r.
        effective: height and width that the dilated kernel covers, k + (k − 1)(r − 1).
        stride: pixels of the image to one of their outputs; None for cells of a pooled map, and tokens.
        number: how often such a layer runs.
        parameters: of all of them, those that several share counted once.
        multiply_adds: of all of them, for an image of the summary's size.
        receptive_field: the longest side of what one of their outputs sees, pixels; None for the whole image.
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
    """What `summarize` finds.

    Attributes:
        name: of the method.
        size: height and width of the image that the multiply-adds are for.
        parameters: all, those of heads that only training needs included.
        trainable: those that training changes.
        multiply_adds: of convolutions and matrix products, for one image, as in predicting.
        receptive_field: the longest side of what a pixel's class depends on, pixels; None for the whole image.
        strides: of the maps that the layers give, pixels of the image to one of theirs.
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
        """All of it for a terminal."""
        rows = [["layers", "kernel", "rate", "covers", "stride", "number", "parameters", "multiply-adds", "sees"]]
        for row in self.layers:
            covers = _by(row.effective) if row.rate > 1 else ""
            sees = "all" if row.receptive_field is None else f"{row.receptive_field}"
            numbers = (f"{row.number}", f"{row.parameters:,}", _short(row.multiply_adds), sees)
            rows.append([row.kind, _by(row.kernel), f"{row.rate}", covers, f"{row.stride or '–'}", *numbers])
        other = self.parameters - sum(row.parameters for row in self.layers)
        rows.append(["norms and others", "", "", "", "", "", f"{other:,}", "", ""])
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        height, width = self.size
        field = f"{self.receptive_field} pixels" if self.receptive_field else "the whole image"
        trained = "all" if self.trainable == self.parameters else f"{self.trainable:,}"
        lines += [
            "",
            f"{self.name}: {self.parameters:,} parameters, {trained} trainable",
            f"{_short(self.multiply_adds)} multiply-adds for an image of {width}x{height}",
            f"the class of a pixel depends on {field}",
            f"strides: {', '.join(map(str, self.strides))}",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values; None where the whole image is seen."""
        return asdict(self)


def summarize(model: Model, size: tuple[int, int] = (512, 512)) -> Summary:
    """Look at a network as it predicts, without computing anything: it takes a second and no memory.

    Args:
        model: any; it stays as it is.
        size: height and width of the image that multiply-adds are counted for.

    Raises:
        ValueError: a side of the size is less than one pixel.
    """
    if min(size) < 1:
        raise ValueError(f"size is {size}: height and width in pixels, 1 or more")
    seen, field = _look(model, (SIDE, SIDE))
    counted, _ = _look(model, size)
    layers = [replace(a, multiply_adds=b.multiply_adds) for a, b in zip(seen, counted, strict=True)]
    parameters = list(model.parameters())
    return Summary(
        name=model.method,
        size=size,
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        receptive_field=None if field == SIDE else field,
        strides=tuple(sorted({layer.stride for layer in layers if layer.stride})),
        layers=tuple(_together(layers)),
    )


def _look(model: Model, size: tuple[int, int]) -> tuple[list[Layers], int | None]:
    """Each layer by itself for an image of this size, in the order they run; and what an output sees at most."""
    tensors = {name: t.to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
    uncounted = {name: p.numel() for name, p in model.named_parameters()}
    owner = WeakTensorKeyDictionary({tensors[name]: name for name in uncounted})
    image = torch.empty(1, 3, *size, device="meta")
    layers: list[Layers] = []

    def visit(func: Any, args: Sequence[Any], result: Any) -> None:
        name, output = func._overloadpacket.__name__, result[0] if isinstance(result, tuple) else result
        if name in ("t", "transpose", "view") and args[0] in owner:
            owner[result] = owner[args[0]]
        if not (shape := _shape(name, args)):
            return
        kind, kernel, rate = shape
        own = [owner[arg] for arg in args if isinstance(arg, Tensor) and arg in owner]
        count, rows = flop_registry.get(func._overloadpacket), watch.rows(output)
        layers.append(
            Layers(
                kind=kind,
                kernel=kernel,
                rate=rate,
                effective=(kernel[0] + (kernel[0] - 1) * (rate - 1), kernel[1] + (kernel[1] - 1) * (rate - 1)),
                stride=max(1, round(size[0] / rows)) if rows else None,
                number=1,
                parameters=sum(uncounted.pop(name, 0) for name in own),
                multiply_adds=count(*args, out_val=result) // 2 if count else 0,
                receptive_field=watch.reach(output),
            )
        )

    watch = Watch(image, visit)
    with model.predicting(), torch.no_grad(), watch:
        outputs = functional_call(model, tensors, (image,))
    fields = [watch.reach(output) for output in tree_leaves(outputs) if isinstance(output, Tensor)]
    return layers, None if None in fields else max(field for field in fields if field is not None)


def _shape(name: str, args: Sequence[Any]) -> tuple[str, tuple[int, int], int] | None:
    """Kind, kernel and rate of the layer that an operation is; None for what is no layer."""
    if name == "convolution":
        x, weight, _, _, _, dilation, transposed, _, groups = args
        grouped = "" if groups == 1 else "depthwise " if groups == x.shape[1] else "grouped "
        kind = f"{grouped}{'transposed ' if transposed else ''}convolution"
        return kind, _pair(weight.shape[2:]), max(dilation)
    if name in ("max_pool2d_with_indices", "avg_pool2d"):
        rate = max(args[4]) if name.startswith("max") and len(args) > 4 else 1
        return f"{'max' if name.startswith('max') else 'average'} pooling", _pair(args[1]), rate
    return ("matrix product", (1, 1), 1) if name in ("mm", "bmm", "addmm", "baddbmm") else None


def _together(layers: Sequence[Layers]) -> Iterator[Layers]:
    """Those of one kind, kernel, rate and stride as one."""
    kinds: dict[Any, list[Layers]] = {}
    for layer in layers:
        kinds.setdefault((layer.kind, layer.kernel, layer.rate, layer.stride), []).append(layer)
    for alike in kinds.values():
        fields = [layer.receptive_field for layer in alike]
        yield replace(
            alike[0],
            number=len(alike),
            parameters=sum(layer.parameters for layer in alike),
            multiply_adds=sum(layer.multiply_adds for layer in alike),
            receptive_field=None if None in fields else max(field for field in fields if field is not None),
        )


def _pair(sides: Sequence[int]) -> tuple[int, int]:
    return (sides[0], sides[-1]) if sides else (1, 1)


def _by(sides: tuple[int, int]) -> str:
    return f"{sides[0]}×{sides[1]}"


def _short(number: int) -> str:
    """Of multiply-adds: 4.09 G."""
    for power, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= power:
            return f"{number / power:.3g} {unit}" if number < 100 * power else f"{number / power:,.0f} {unit}"
    return f"{number}"
