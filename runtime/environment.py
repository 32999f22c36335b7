"""Settings from the environment: a frozen dataclass per prefix, strict on names and values.

`load(Settings, "SOLARIS_RANKER")` fills field `port` from `SOLARIS_RANKER_PORT`. A bad value, or an unknown variable
under the prefix, raises SettingsError with the variable, the value and what is allowed: a typing error in a setting
must stop the process, not be ignored by it.
"""

import dataclasses
import os
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class SettingsError(ValueError):
    """A variable has a value that is not allowed, or is not known."""


def load(cls: type[T], prefix: str, environ: Mapping[str, str] | None = None, also_known: Iterable[str] = ()) -> T:
    """Build `cls` from `PREFIX_FIELD` variables; fields without one keep their default.

    `also_known`: longer prefixes or names under this prefix that belong to somebody else.
    """
    environ = os.environ if environ is None else environ
    hints = typing.get_type_hints(cls)
    fields = {f"{prefix}_{field.name.upper()}": field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    known = tuple(also_known)
    for name in sorted(environ):
        if name.startswith(prefix + "_") and name not in fields and not name.startswith(known or ("\0",)):
            raise SettingsError(f"{name} is not a setting; known under {prefix}_: {', '.join(sorted(fields))}")
    values: dict[str, Any] = {}  # Any: one entry per field, each of its own type
    for name, field in fields.items():
        if name in environ:
            values[field.name] = _parse(name, environ[name], hints[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{name} is not set and has no default")
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(f"{prefix}_*: {error}") from None


def _parse(name: str, text: str, hint: Any) -> Any:  # Any: a runtime type and a value of it
    if isinstance(hint, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if text == "" else _parse(name, text, options[0])
    if typing.get_origin(hint) is typing.Literal:
        allowed = typing.get_args(hint)
        if text not in allowed:
            raise SettingsError(f"{name}={text!r} is not one of {', '.join(allowed)}")
        return text
    if hint is bool:
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise SettingsError(f"{name}={text!r} is not a yes or no (1/0, true/false, yes/no, on/off)")
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            kind = "a whole number" if hint is int else "a number"
            raise SettingsError(f"{name}={text!r} is not {kind}") from None
    return Path(text) if hint is Path else text
