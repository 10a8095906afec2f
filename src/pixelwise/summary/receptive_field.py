"""Receptive fields of every tensor of a network, traced without computing a single value.

The network runs on tensors that have a shape but no memory. `FieldTracer` intercepts each operation of PyTorch and
keeps, for each row and column of each map, the first and the last row and column of the image that it depends on: exact
for any strides, dilation, padding, corners and crops, and for any number of paths from the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from .fields import WHOLE, Dim, Fields, Spans, empty, interpolate, map_fields, slide_transposed_window, slide_window
from .fields import union as union_of_spans

Visit = Callable[[Any, Sequence[Any], Any], None]
"""Called with the function of an operation, its positional arguments and its result."""


class FieldTracer(TorchDispatchMode):
    """While entered, follows which part of an image each tensor depends on.

    Operations that mix all rows and columns (means over the image, attention, normalisation over space) depend on the
    whole image; so do those that have no rule here.

    Args:
        image: (B, D, H, W) on the device "meta", as are all tensors of the network.
        visit: called after each operation.

    Attributes:
        fields: tensor → its `Fields`; tensors that do not depend on the image have none.
        values: tensor → its values, for tensors of whole numbers, which may be positions to select.
    """

    def __init__(self, image: Tensor, visit: Visit | None = None) -> None:
        super().__init__()
        self.visit = visit
        self.fields = WeakTensorKeyDictionary()
        self.values = WeakTensorKeyDictionary()
        height, width = image.shape[-2:]
        own = {"y": np.tile(np.arange(height), (2, 1)), "x": np.tile(np.arange(width), (2, 1))}
        self.fields[image] = map_fields(image.shape, own)

    def longest(self, tensor: Tensor) -> int | None:
        """The longest side of a value's receptive field, pixels; None for the whole image, 0 for none of it."""
        fields: Fields | None = self.fields.get(tensor)
        return fields.longest() if fields else 0

    def rows(self, tensor: Tensor) -> int | None:
        """Number of rows of the map that a tensor is; None if it is no map, or is pooled to a few cells."""
        fields: Fields | None = self.fields.get(tensor)
        if fields is None:
            return None
        for dim in fields.dims:
            for axis, size in dim:
                if axis == "y":
                    return size
        return None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, then note on what its results depend."""
        kwargs = kwargs or {}
        inputs = _tensors((args, kwargs))
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and not result.is_floating_point() and all(t in self.values for t in inputs):
            self.values[result] = self._compute(func, args, kwargs)
        if any(tensor in self.fields for tensor in inputs):
            rule = _rule_of(func)
            for output in _tensors(result):
                self.fields[output] = rule(self, output, *args)
        if self.visit:
            self.visit(func, args, result)
        return result

    def _compute(self, func: Any, args: Any, kwargs: Any) -> Tensor:
        """Run an operation on known whole numbers, on the CPU."""

        def value_of(leaf: Any) -> Any:
            return self.values[leaf] if isinstance(leaf, Tensor) else leaf

        options = tree_map(value_of, kwargs)
        if "device" in options:
            options["device"] = torch.device("cpu")
        result: Tensor = func(*tree_map(value_of, args), **options)
        return result


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _rule_of(func: Any) -> Callable[..., Fields]:
    """The rule for an operation of ATen; the trailing underscore of operations in place does not matter."""
    name = func._overloadpacket.__name__.rstrip("_")
    if name in RULES:
        return RULES[name]
    return pointwise if torch.Tag.pointwise in func.tags else everything


def everything(tracer: FieldTracer, output: Tensor, *_: Any) -> Fields:
    """The rule for operations that mix all pixels: every value depends on the whole image."""
    return Fields(tuple((("", size),) for size in output.shape), {"y": WHOLE, "x": WHOLE})


def pointwise(tracer: FieldTracer, output: Tensor, *args: Any) -> Fields:
    """The rule for operations value by value: the union of the arguments' fields, after broadcasting."""
    fields = [tracer.fields[tensor] for tensor in _tensors(args) if tensor in tracer.fields]
    return _union(fields, output) or everything(tracer, output)


def _union(fields: Sequence[Fields], output: Tensor) -> Fields | None:
    """The union of several fields; None if a dimension runs over different axes in two of them."""
    dims: list[Dim] = []
    for k in range(-output.ndim, 0):
        candidates = {one.dims[k] for one in fields if len(one.dims) >= -k and one.axes(k)}
        if len(candidates) > 1:
            return None
        dims.append(candidates.pop() if candidates else (("", output.shape[k]),))
    spans = {}
    for axis in "yx":
        spans[axis] = union_of_spans(*(one.spans[axis] for one in fields))
    return Fields(tuple(dims), spans)


# --- windows and resizing ---------------------------------------------------------------------------------------------


def _convolution(tracer: FieldTracer, output: Tensor, x: Tensor, weight: Tensor, bias: Any, *window: Any) -> Fields:
    if weight in tracer.fields:  # weights that depend on the image
        return everything(tracer, output)
    stride, padding, dilation, transposed, *_ = window  # then the padding of the output, and the groups
    slide = slide_transposed_window if transposed else slide_window
    return _slide(tracer, output, x, (weight.shape[2:], stride, padding, dilation), slide)


def _max_pool(
    tracer: FieldTracer,
    output: Tensor,
    x: Tensor,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    *_: Any,
) -> Fields:
    return _slide(tracer, output, x, (kernel, stride or kernel, padding, dilation), slide_window)


def _average_pool(
    tracer: FieldTracer, output: Tensor, x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, *_: Any
) -> Fields:
    return _slide(tracer, output, x, (kernel, stride or kernel, padding, 1), slide_window)


def _slide(
    tracer: FieldTracer, output: Tensor, x: Tensor, window: Sequence[Any], slide: Callable[..., Spans]
) -> Fields:
    """Slide a window over the rows and over the columns.

    Args:
        tracer, output, x: as every rule has them.
        window: kernel, stride, padding and dilation, each a number or one number per axis.
        slide: the function of `fields` for it.
    """
    fields: Fields | None = tracer.fields.get(x)
    if not fields or not _is_map(fields):
        return everything(tracer, output)
    dims, spans = [*map_fields(output.shape, {}).dims], dict(fields.spans)
    for axis, k in (("y", -2), ("x", -1)):
        if not fields.axes(k):  # pooled cells have the same field, and those behind the window have it too
            dims[k] = (("", output.shape[k]),)
            continue
        lengths = [value if isinstance(value, int) else value[k % len(value)] for value in window]
        spans[axis] = slide(fields.along(axis, x.shape[k]), output.shape[k], *lengths)
    return Fields(tuple(dims), spans)


def _is_map(fields: Fields) -> bool:
    """Tell whether a tensor is (B, D, h, w), with rows and columns of a map or pooled cells as its last dimensions."""
    axes = [fields.axes(k) for k in range(len(fields.dims))]
    return len(axes) == 4 and not axes[0] and not axes[1] and axes[2] in ("", "y") and axes[3] in ("", "x")


def _linear(tracer: FieldTracer, output: Tensor, x: Tensor, size: Any, align: bool, *scales: Any) -> Fields:
    return _resize(tracer, output, x, 2, align, scales)


def _cubic(tracer: FieldTracer, output: Tensor, x: Tensor, size: Any, align: bool, *scales: Any) -> Fields:
    return _resize(tracer, output, x, 4, align, scales)


def _nearest(tracer: FieldTracer, output: Tensor, x: Tensor, size: Any, *scales: Any) -> Fields:
    return _resize(tracer, output, x, 1, False, scales)


def _resize(
    tracer: FieldTracer, output: Tensor, x: Tensor, taps: int, align: bool, scales: Sequence[float | None]
) -> Fields:
    fields: Fields = tracer.fields[x]
    if not _is_map(fields):
        return everything(tracer, output)
    spans = {}
    for axis, k, scale in zip("yx", (-2, -1), scales or (None, None), strict=True):
        spans[axis] = interpolate(fields.along(axis, x.shape[k]), output.shape[k], taps, align, scale)
    return map_fields(output.shape, spans)


# --- normalisation and reductions -------------------------------------------------------------------------------------


def _batch_norm(tracer: FieldTracer, output: Tensor, x: Tensor, *_: Any) -> Fields:
    # Its further outputs, of other shapes, are statistics of the whole batch.
    return pointwise(tracer, output, x) if output.shape == x.shape else everything(tracer, output)


def _layer_norm(tracer: FieldTracer, output: Tensor, x: Tensor, shape: Sequence[int], *_: Any) -> Fields:
    mixed = tracer.fields[x].axes(*range(-len(shape), 0))
    return everything(tracer, output) if mixed else _batch_norm(tracer, output, x)


def _softmax(tracer: FieldTracer, output: Tensor, x: Tensor, dim: int, *_: Any) -> Fields:
    return everything(tracer, output) if tracer.fields[x].axes(dim) else pointwise(tracer, output, x)


def _reduce(tracer: FieldTracer, output: Tensor, x: Tensor, over: Any = None, *_: Any) -> Fields:
    fields: Fields = tracer.fields[x]
    if isinstance(over, int):
        over = [over]
    gone = {dim % x.ndim for dim in over or range(x.ndim)}
    dims = [(("", 1),) if k in gone else dim for k, dim in enumerate(fields.dims)]
    if output.ndim < x.ndim:
        dims = [dim for k, dim in enumerate(dims) if k not in gone]
    whole = dict.fromkeys(fields.axes(*gone), WHOLE)
    return Fields(tuple(dims), {**fields.spans, **whole})


# --- joining, cutting and selecting -----------------------------------------------------------------------------------


def _concatenate(tracer: FieldTracer, output: Tensor, parts: Sequence[Tensor], dim: int = 0) -> Fields:
    mixed = any(tracer.fields[part].axes(dim) for part in parts if part in tracer.fields)
    return everything(tracer, output) if mixed else pointwise(tracer, output, parts)


def _stack(tracer: FieldTracer, output: Tensor, parts: Sequence[Tensor], dim: int = 0) -> Fields:
    at = dim % output.ndim
    fields = [tracer.fields[part] for part in parts if part in tracer.fields]
    with_new_dim = [Fields((*one.dims[:at], (), *one.dims[at:]), one.spans) for one in fields]
    return _union(with_new_dim, output) or everything(tracer, output)


def _split(tracer: FieldTracer, output: Tensor, x: Tensor, sizes: Any, dim: int = 0) -> Fields:
    return _concatenate(tracer, output, [x], dim)


def _unbind(tracer: FieldTracer, output: Tensor, x: Tensor, dim: int = 0, *_: Any) -> Fields:
    fields: Fields = tracer.fields[x]
    if fields.axes(dim):
        return everything(tracer, output)
    return Fields(tuple(one for k, one in enumerate(fields.dims) if k != dim % x.ndim), fields.spans)


def _pad(tracer: FieldTracer, output: Tensor, x: Tensor, borders: Sequence[int], *_: Any) -> Fields:
    fields: Fields | None = tracer.fields[x]
    for k, (before, after) in enumerate(zip(borders[::2], borders[1::2], strict=True)):

        def widen(spans: Spans, before: int = before, after: int = after) -> Spans:
            whole = np.concatenate([empty(max(before, 0)), spans, empty(max(after, 0))], axis=1)
            return whole[:, max(-before, 0) : whole.shape[1] - max(-after, 0)]  # a negative border cuts off

        fields = fields and _change_dim(fields, output, -1 - k, widen)
    return fields or everything(tracer, output)


def _slice(
    tracer: FieldTracer,
    output: Tensor,
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Fields:
    fields = _change_dim(tracer.fields[x], output, dim, lambda spans: spans[:, start:end:step])
    return fields or everything(tracer, output)


def _index_select(tracer: FieldTracer, output: Tensor, x: Tensor, dim: int, index: Tensor) -> Fields:
    if index not in tracer.values or x not in tracer.fields:
        return everything(tracer, output)
    position = tracer.values[index].numpy()
    fields = _change_dim(tracer.fields[x], output, dim, lambda spans: spans[:, position])
    return fields or everything(tracer, output)


def _flip(tracer: FieldTracer, output: Tensor, x: Tensor, dims: Sequence[int]) -> Fields:
    fields: Fields | None = tracer.fields[x]
    for dim in dims:
        fields = fields and _change_dim(fields, output, dim, lambda spans: spans[:, ::-1])
    return fields or everything(tracer, output)


def _change_dim(fields: Fields, output: Tensor, dim: int, change: Callable[[Spans], Spans]) -> Fields | None:
    """Pad, cut or reorder the rows or columns of one dimension; None if it runs over several axes."""
    axes, k = fields.axes(dim), dim % output.ndim
    if axes and len(fields.dims[k]) > 1:
        return None
    dims = (*fields.dims[:k], ((axes, output.shape[k]),), *fields.dims[k + 1 :])
    if not axes:
        return Fields(dims, fields.spans)
    length = fields.dims[k][0][1]
    return Fields(dims, {**fields.spans, axes: change(fields.along(axes, length))})


# --- shapes and matrices ----------------------------------------------------------------------------------------------


def _permute(tracer: FieldTracer, output: Tensor, x: Tensor, order: Sequence[int]) -> Fields:
    fields: Fields = tracer.fields[x]
    return Fields(tuple(fields.dims[dim] for dim in order), fields.spans)


def _transpose(tracer: FieldTracer, output: Tensor, x: Tensor, a: int = 0, b: int = -1) -> Fields:
    order = list(range(output.ndim))
    order[a], order[b] = order[b], order[a]
    return _permute(tracer, output, x, order)


def _view(tracer: FieldTracer, output: Tensor, x: Tensor, *_: Any) -> Fields:
    """The rule for a new shape of the same values: rows and columns stay, unless the shape cuts them apart."""
    fields: Fields = tracer.fields[x]
    runs = _runs(fields.dims)
    dims: list[Dim] = []
    for size in output.shape:
        dim = _take_runs(runs, size)
        if dim is None:
            return everything(tracer, output)
        dims.append(dim or (("", 1),))
    return Fields(tuple(dims), fields.spans)


def _runs(dims: Sequence[Dim]) -> list[tuple[str, int]]:
    """The axes of all dimensions one after the other, neighbouring ones that are neither rows nor columns united."""
    runs: list[tuple[str, int]] = []
    for dim in dims:
        for axis, size in dim:
            if size == 1:
                continue
            if not axis and runs and not runs[-1][0]:
                size *= runs.pop()[1]
            runs.append((axis, size))
    return runs


def _take_runs(runs: list[tuple[str, int]], size: int) -> Dim | None:
    """Take the axes of a dimension of this size from the front of `runs`; None if rows or columns would be cut."""
    dim: list[tuple[str, int]] = []
    while size > 1:
        axis, length = runs.pop(0)
        if not axis and length > size and length % size == 0:
            runs.insert(0, ("", length // size))
            length = size
        elif size % length:
            return None
        dim.append((axis, length))
        size //= length
    return tuple(dim)


def _matrix_product(tracer: FieldTracer, output: Tensor, *args: Any) -> Fields:
    """The rule for matrices: rows of the left or columns of the right may be pixels; what is summed over may not."""
    left, right = tracer.fields.get(args[-2]), tracer.fields.get(args[-1])
    if left and not right and not left.axes(-1):
        return Fields((*left.dims[:-1], (("", output.shape[-1]),)), left.spans)
    if right and not left and not right.axes(-2):
        return Fields((*right.dims[:-2], (("", output.shape[-2]),), right.dims[-1]), right.spans)
    return everything(tracer, output)


RULES: dict[str, Callable[..., Fields]] = {
    **dict.fromkeys(("alias", "clone", "detach", "_to_copy", "expand"), pointwise),
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "upsample_bilinear2d": _linear,
    "upsample_bicubic2d": _cubic,
    "upsample_nearest2d": _nearest,
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "native_layer_norm": _layer_norm,
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "var_mean"), _reduce),
    "cat": _concatenate,
    "stack": _stack,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(("unbind", "select"), _unbind),
    "constant_pad_nd": _pad,
    "slice": _slice,
    "index_select": _index_select,
    "flip": _flip,
    "permute": _permute,
    **dict.fromkeys(("transpose", "t"), _transpose),
    **dict.fromkeys(("view", "_unsafe_view", "squeeze", "unsqueeze"), _view),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _matrix_product),
}
"""Operation of ATen → the rule for the fields of its results; those that PyTorch calls pointwise need none."""
