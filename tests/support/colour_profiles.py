"""ICC profiles of other colours than sRGB's."""

from __future__ import annotations

import struct

from PIL import ImageCms


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile for displays, version 4 (ICC.1:2022, 7.2 and 7.3)."""
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"", 0x04300000, b"mntr", space, b"XYZ ", b"", b"acsp")
    white = numbers(0.9642, 1, 0.8249)
    return (head.ljust(68, b"\0") + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def numbers(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def display_p3() -> bytes:
    """Primaries of SMPTE RP 431-2 adapted from D65 to D50; sRGB's own curve (IEC 61966-2-1)."""
    curve = b"para" + bytes(4) + b"\0\3\0\0" + numbers(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    points = {
        b"wtpt": (0.9642, 1, 0.8249),
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    tags = {name: b"XYZ " + bytes(4) + numbers(*values) for name, values in points.items()}
    return profile(b"RGB ", tags | {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def linear_grey() -> bytes:
    white = b"XYZ " + bytes(4) + numbers(0.9642, 1, 0.8249)
    return profile(b"GRAY", {b"wtpt": white, b"kTRC": b"curv" + bytes(8)})


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3_RED = (234, 51, 35)  # what Display P3 calls sRGB's purest red, as CSS Color 4 converts it
