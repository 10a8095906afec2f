"""Dataclass fields that are YAML keys and command-line flags at once: their help, types and allowed values."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

TYPE_NAMES = {int: "a whole number", float: "a number", str: "text"}


class OptionError(ValueError):
    """A field has a value that is not allowed.

    Attributes:
        name: of the field.
        text: what the value is and what it must be; a sentence when it follows the name.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name} {text}")
        self.name, self.text = name, text


def option(default: Any, help: str) -> Any:
    """Make a dataclass field with a default and a help text."""
    return field(default=default, metadata={"help": help})


def coerce(options: object) -> None:
    """Convert each value to its field's type, in place.

    "8" → 8, "0.5,2" → (0.5, 2.0), 256 → (256,), "none" → None, "stride=8,heads=[1, 2]" → {"stride": 8, "heads": [1, 2]}

    Raises:
        OptionError: a value cannot be converted.
    """
    for name, kind in get_type_hints(type(options)).items():
        # The dataclasses are frozen for everybody else.
        object.__setattr__(options, name, _convert(name, getattr(options, name), kind))


def require_choice(options: object, name: str, choices: Sequence[str]) -> None:
    """Check that a field is one of the choices.

    Raises:
        OptionError: it is not; lists the choices and suggests the nearest one.
    """
    value = getattr(options, name)
    if value not in choices:
        near = get_close_matches(value, choices, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise OptionError(name, f"is {value!r}: it must be one of {', '.join(choices)}{hint}")


def require(options: object, name: str, condition: bool, expected: str) -> None:
    """Check a condition on a field.

    Raises:
        OptionError: the condition is False; says what is expected.
    """
    if not condition:
        raise OptionError(name, f"is {getattr(options, name)!r}: it must be {expected}")


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Convert a mapping, or text like `stride=8,heads=[1, 2],deep=true,width=none`, to names and plain values.

    Args:
        name: of the field, for the error.
        value: the mapping or the text; None for an empty mapping.

    Raises:
        OptionError: it is anything else.
    """
    values = _parse_mapping(value) if isinstance(value, str) else value
    if value is None:
        values = {}
    if not isinstance(values, Mapping) or not _is_plain_mapping(values):
        raise OptionError(name, f"is {value!r}: it must be names and values, like output_stride=8,auxiliary=true")
    return {key: _plain_value(value) for key, value in values.items()}


def _convert(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "")):
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is dict:
        return mapping(name, value)
    if get_origin(kind) is tuple:
        return tuple(_convert_number_or_text(name, part, get_args(kind)[0]) for part in _parts(value))
    return _convert_number_or_text(name, value, kind)


def _parts(value: Any) -> Sequence[Any]:
    """The parts of a list: of text between commas, none of None, a single value by itself."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple)):
        return value
    return () if value is None else (value,)


def _convert_number_or_text(name: str, value: Any, kind: type) -> Any:
    try:
        # Python would convert these without complaint: True to 1, 2.5 to 2, a list to its text.
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and value != int(value)):
            raise ValueError
        if kind is str and not isinstance(value, (str, Path, int)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(name, f"is {value!r}: it must be {TYPE_NAMES[kind]}") from None


def _parse_mapping(text: str) -> Any:
    """The mapping that `a=1,b=[2, 3]` says, by way of YAML; None if it is no mapping."""
    try:
        values = yaml.safe_load("{" + text.replace("=", ": ") + "}")
    except yaml.YAMLError:
        return None
    # YAML reads a name without a value as a key with None.
    if values and None in values.values():
        return None
    return values


def _plain_value(value: Any) -> Any:
    if value == "none":
        return None
    return list(value) if isinstance(value, tuple) else value


def _is_plain_mapping(values: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) and _is_plain(value) for key, value in values.items())


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
