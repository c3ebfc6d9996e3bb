"""Tables inside a page: a JSON header and typed arrays, compressed, as text that HTML can carry."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

TYPES = ("uint8", "uint16", "uint32", "int32", "float32")
"""The types of arrays that the page's script reads."""

_ALIGNED = 8
_LEVEL = 6


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return a header and arrays as base64 text.

    The compressed bytes are the length of the header in bytes (uint32, little endian), the header as JSON with a key
    `arrays` that holds [type, offset, length] of each, and the arrays in little endian, each at a multiple of 8
    bytes.

    Args:
        header: Whatever JSON can hold, without NaN.
        arrays: One-dimensional, of a type in `TYPES`.

    Raises:
        ValueError: An array has another type, or the header holds NaN.
    """
    positions: dict[str, list[Any]] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, values in arrays.items():
        if values.dtype.name not in TYPES:
            raise ValueError(f"{name} must be one of {', '.join(TYPES)}, but is {values.dtype.name}")
        content = values.astype(values.dtype.newbyteorder("<")).tobytes()
        positions[name] = [values.dtype.name, offset, len(values)]
        chunks.append(content + bytes(-len(content) % _ALIGNED))
        offset += len(chunks[-1])
    text = json.dumps({**header, "arrays": positions}, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNED)
    head = struct.pack("<I", len(text)) + text
    return deflated(b"".join([head, *chunks]))


def deflated(content: bytes) -> str:
    """Return bytes compressed (zlib's format), as base64 text."""
    return base64.b64encode(zlib.compress(content, _LEVEL)).decode("ascii")


def codes_type(count: int) -> type[np.generic]:
    """Return the smallest unsigned type that can number `count` values."""
    return np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.uint32
