"""Fields: JSON objects read key by key, so that every wrong value is named with its file and its place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sanerf_hq.errors import InputError

MAX_JSON_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Fields:
    """A JSON object and where it stands; a key that is absent and one that is null are the same.

    Attributes:
        values: The object.
        where: File and place in it, as an error message begins.
    """

    values: Mapping[str, object]
    where: str

    def error(self, text: str) -> InputError:
        """An error about this object: ``text`` says what is wrong and what to do."""
        return InputError(f"{self.where}: {text}")

    def number(self, key: str) -> float | None:
        """A finite number, or None.

        Raises:
            InputError: It is no number, or not finite.
        """
        value = self.values.get(key)
        if value is None:
            return None
        number = as_number(value)
        if number is None:
            raise self.error(f"{key} is {_short(value)}; write a number")
        if not math.isfinite(number):
            raise self.error(f"{key} is {number}; write a finite number")
        return number

    def integer(self, key: str) -> int | None:
        """A whole number (480.0 will do), or None.

        Raises:
            InputError: It is no whole number.
        """
        number = self.number(key)
        if number is None:
            return None
        if number != int(number):
            raise self.error(f"{key} is {number}; write a whole number")
        return int(number)

    def text(self, key: str) -> str | None:
        """A string that is not empty, or None.

        Raises:
            InputError: It is no string, or empty.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise self.error(f"{key} is {_short(value)}; write a string that is not empty")
        return value

    def items(self, key: str) -> list[object] | None:
        """A list, or None.

        Raises:
            InputError: It is no list.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.error(f"{key} is {_short(value)}; write a list")
        return value

    def child(self, key: str) -> Fields | None:
        """An object inside this one, or None.

        Raises:
            InputError: It is no object.
        """
        value = self.values.get(key)
        return None if value is None else self.inside(value, key)

    def inside(self, value: object, place: str) -> Fields:
        """``value``, found at ``place`` in this object, as an object.

        Raises:
            InputError: It is no object.
        """
        if not isinstance(value, dict):
            raise self.error(f"{place} is {_short(value)}; write an object {{…}}")
        return Fields(value, f"{self.where}, {place}")


def read_json_object(path: Path) -> Fields:
    """Read a file that holds one JSON object.

    Raises:
        InputError: It cannot be read, is no UTF-8 or JSON, or holds something else than an object.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise InputError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MB; give a scene's JSON file")
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); check the path and its rights"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not valid JSON (line {error.lineno}: {error.msg}); mend or export it again"
        ) from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of 5,000 digits, nested too deep
        raise InputError(f"{path} is not valid JSON; mend or export it again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {_short(value)} where a JSON object {{…}} belongs; export it again")
    return Fields(value, str(path))


def as_number(value: object) -> float | None:
    """A JSON number as float (possibly NaN or infinite), or None if it is none (true and false are not)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _short(value: object) -> str:
    """A value as a message quotes it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "…"
