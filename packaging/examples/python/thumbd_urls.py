# SPDX-License-Identifier: MIT
"""Signed URLs for thumbd. Keys are bytes, paths are not percent-encoded."""

import base64
import hashlib
import hmac
from urllib.parse import quote


def read_key(path):
    with open(path, "rb") as f:
        return f.read().removesuffix(b"\n")


def signature(key, text):
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:21]).decode()


def thumbnail(key, prefix, original, spec, ext):
    """thumbnail(key, "/thumbs/", "a.jpg", "400x300_crop", "webp")"""
    stem = f"{prefix}{original}/{spec}_"
    return quote(f"{stem}{signature(key, f'{stem}.{ext}')}.{ext}")


def access(key, path, expires):
    """The URL of a protected path until expires, in seconds since 1970."""
    return _signed("access", key, path, f"expires={int(expires)}")


def download(key, path, expires, name=None):
    """The URL of a file until expires, to be saved under name."""
    query = f"expires={int(expires)}"
    if name is not None:
        query += "&download=" + quote(name, safe="")
    return _signed("file", key, path, query)


def _signed(purpose, key, path, query):
    proof = signature(key, "\n".join([purpose, path, query]))
    return f"{quote(path)}?{query}&signature={proof}"
