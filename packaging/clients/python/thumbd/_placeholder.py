# SPDX-License-Identifier: MIT
"""The tiny picture of a ThumbHash (https://evanw.github.io/thumbhash/), as a PNG."""

import base64
import binascii
import math
import struct
import zlib

from thumbd._error import ThumbdError


def background(thumbhash, size, method):
    """The style that shows the tiny picture below the picture until that is there.

    It is "" if it would stay visible, below transparent pixels or padding.
    """
    try:
        alpha, channels = _decode(base64.b64decode(thumbhash or "", validate=True))
    except (binascii.Error, IndexError) as e:
        raise ThumbdError("the original's thumbhash is missing or damaged: want that of its description") from e
    if alpha or method == "pad":
        return ""
    file = base64.b64encode(_png(size, _paint(channels, size))).decode()
    return f"background:url(data:image/png;base64,{file}) center/" + ("100% 100%" if method == "stretch" else "cover")


def _triangle(nx, ny):
    """The numbers of the waves across and down of a channel."""
    return [(x, y) for y in range(ny) for x in range(nx) if (x or y) and x * ny < nx * (ny - y)]


def _decode(h):
    """24 and 16 bits of means and scales, then four bits for each wave."""
    head, more = h[0] | h[1] << 8 | h[2] << 16, h[3] | h[4] << 8
    alpha = head >> 23 == 1
    most, least = 5 if alpha else 7, max(more & 7, 3)
    at = 12 if alpha else 10
    channels = []
    for mean, waves, scale in (
        ((head & 63) / 63, _triangle(most, least) if more >> 15 else _triangle(least, most), (head >> 18 & 31) / 31),
        # The differences of colors come back a quarter stronger: rounding weakens them.
        ((head >> 6 & 63) / 31.5 - 1, _triangle(3, 3), (more >> 3 & 63) / 63 * 1.25),
        ((head >> 12 & 63) / 31.5 - 1, _triangle(3, 3), (more >> 9 & 63) / 63 * 1.25),
    ):
        sizes = [((h[i // 2] >> i % 2 * 4 & 15) / 7.5 - 1) * scale for i in range(at, at + len(waves))]
        at += len(waves)
        channels.append((mean, list(zip(sizes, waves))))
    return alpha, channels


def _paint(channels, size):
    """The lines of pixels, each with the 0 of a PNG without a filter before it."""
    width, height = size
    columns = [_cosines(x, width) for x in range(width)]
    lines = bytearray()
    for down in (_cosines(y, height) for y in range(height)):
        lines.append(0)
        for across in columns:
            l, p, q = (_value(c, across, down) for c in channels)
            b = l - p * 2 / 3
            r = (3 * l - b + q) / 2
            lines += bytes(math.floor(min(max(v, 0), 1) * 255 + 0.5) for v in (r, r - q, b))
    return bytes(lines)


def _cosines(i, n):
    return [math.cos(math.pi / n * (i + 0.5) * k) for k in range(7)]


def _value(channel, across, down):
    v, waves = channel
    # Not sum: that is more exact, and all languages are to give the same.
    for size, (x, y) in waves:
        v += size * across[x] * down[y] * 2
    return v


def _png(size, lines):
    """The data are stored as they are: so all languages write the same bytes."""
    data = struct.pack("<3BHH", 0x78, 1, 1, len(lines), len(lines) ^ 0xFFFF) + lines + struct.pack(">L", zlib.adler32(lines))
    head = struct.pack(">LL5B", *size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name, data):
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
