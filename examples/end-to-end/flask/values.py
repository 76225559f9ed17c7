"""One row of the table of values each: what an application may have put into its session."""

import enum
import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import msgspec

INDIA = timezone(timedelta(hours=5, minutes=30))


class Color(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


VALUES = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "small": 127,
    "byte": 200,
    "negative": -32,
    "negative-byte": -100,
    "word": 70_000,
    "largest": 2**64 - 1,
    "smallest": -(2**63),
    "float": 1.5,
    "nan": math.nan,
    "infinity": math.inf,
    "text": "hé \N{CRAB}",
    "empty-text": "",
    "long-text": "x" * 300,
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"\x01\x02"),
    "list": [1, "two", None],
    "tuple": (1, "two"),
    "set": {7},
    "dict": {"b": 1, "a": {"nested": [True]}},
    "int-keys": {1: "one", -2: "minus two"},
    "none-key": {None: 1},
    "tuple-key": {(1, 2): "pair"},
    "aware": datetime(2024, 1, 2, 3, 4, 5, 678900, INDIA),
    "aware-whole": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "aware-old": datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
    "aware-far": datetime(2600, 1, 1, tzinfo=timezone.utc),
    "naive": datetime(2024, 1, 2, 3, 4, 5, 678900),
    "date": date(2024, 1, 2),
    "time": time(3, 4, 5),
    "timedelta": timedelta(days=1, seconds=2),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "decimal": Decimal("12.50"),
    "enum": Color.RED,
    "dataclass": Point(1, 2),
    "ext": msgspec.msgpack.Ext(5, b"\x01\x02\x03"),
}
