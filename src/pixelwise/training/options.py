"""Fields of a dataclass that are YAML keys and flags at once: their help, their types, and what they may be."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml


class Misfit(ValueError):
    """A field has a value that it cannot have.

    Attributes:
        name: of the field.
        text: what it is and what it must be, to be said after the name.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name} {text}")
        self.name, self.text = name, text


def option(default: Any, help: str) -> Any:
    """A field with its meaning."""
    return field(default=default, metadata={"help": help})


def coerce(options: object) -> None:
    """Turn each value into its field's type, in place.

    "8" → 8, "0.5,2" → (0.5, 2.0), 256 → (256,), "none" → None, "stride=8,heads=[1, 2]" → {"stride": 8, "heads": [1, 2]}

    Raises:
        Misfit: for a value that cannot be turned into it.
    """
    for name, kind in get_type_hints(type(options)).items():
        object.__setattr__(options, name, _convert(name, getattr(options, name), kind))


def choose(options: object, name: str, choices: Sequence[str]) -> None:
    """Raise a Misfit, with the nearest choice, where the field is none of them."""
    value = getattr(options, name)
    if value not in choices:
        near = get_close_matches(value, choices, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise Misfit(name, f"is {value!r}: it must be one of {', '.join(choices)}{hint}")


def demand(options: object, name: str, holds: bool, wanted: str) -> None:
    """Raise a Misfit that says what is wanted, unless it holds."""
    if not holds:
        raise Misfit(name, f"is {getattr(options, name)!r}: it must be {wanted}")


def _convert(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "")):
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is dict:
        return mapping(name, value)
    if get_origin(kind) is tuple:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        parts = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
        return tuple(_convert(name, part, get_args(kind)[0]) for part in parts)
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and value != int(value)):
            raise ValueError
        if kind is str and not isinstance(value, (str, Path, int)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        want = {int: "a whole number", float: "a number", str: "text"}[kind]
        raise Misfit(name, f"is {value!r}: it must be {want}") from None


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Names and plain values, of a mapping or of text like `stride=8,heads=[1, 2],deep=true,width=none`.

    Raises:
        Misfit: for anything else.
    """
    found = {} if value is None else value
    if isinstance(value, str):
        try:
            found = yaml.safe_load("{" + value.replace("=", ": ") + "}")
        except yaml.YAMLError:
            found = None
        if found and None in found.values():  # a name alone
            found = None
    if not isinstance(found, Mapping) or not all(isinstance(k, str) and _is_plain(v) for k, v in found.items()):
        raise Misfit(name, f"is {value!r}: it must be names and values, like output_stride=8,auxiliary=true")
    return {key: None if v == "none" else list(v) if isinstance(v, tuple) else v for key, v in found.items()}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
