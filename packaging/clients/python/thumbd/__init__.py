# SPDX-License-Identifier: MIT
"""URLs, srcsets and picture elements of thumbd's thumbnails.

It needs the standard library alone, and does no I/O: thumbd.admin does.
"""

import base64
import hashlib
import hmac
import re
from urllib.parse import quote

from thumbd._error import ThumbdError
from thumbd._placeholder import background

__all__ = ["Site", "ThumbdError", "access", "download"]

_THUMBNAILS = ["jpg", "png", "webp", "avif", "gif"]
_EXTENSIONS = {
    "jpg": "jpg", "jpeg": "jpg", "jpe": "jpg", "png": "png", "webp": "webp", "avif": "avif", "gif": "gif",
    "heic": "heic", "heif": "heic", "tiff": "tiff", "tif": "tiff", "svg": "svg", "jxl": "jxl",
}
_MEDIA = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif"}


class Site:
    """A site of thumbd. Its arguments are the keys of thumbd.toml(5).

    key is the content of the key's file. base comes before each path, for example
    https://img.example.
    """

    def __init__(self, *, prefix, scheme, presets=None, key=None, base="", enlarge=False, formats=None,
                 thumbnail_width=4096, thumbnail_height=4096):
        if scheme not in ("signed", "preset"):
            raise ThumbdError(f"the scheme {scheme!r} is none of signed and preset")
        if scheme == "signed" and not key:
            raise ThumbdError("a site of the scheme signed needs its key")
        self.prefix, self.scheme, self.presets = prefix, scheme, presets or {}
        self._key, self.base = key, base.removesuffix("/")
        self.enlarge, self.formats = enlarge, formats or _THUMBNAILS
        self.limits = (thumbnail_width, thumbnail_height)

    def url(self, original, spec, format=None):
        """The URL of a thumbnail.

        spec is the name of a preset, "card", "card@2x" or "hero-320w", or in the scheme
        signed a size and a method, "400x300_crop_q=70". Without a format it is the
        original's own, or jpg if thumbnails can't have that format.
        """
        format = format or self._default(original)
        if not original:
            raise ThumbdError("there is no original")
        found = self._find(spec)
        if self.scheme == "preset":
            if not found:
                raise ThumbdError(f"the preset {spec!r} is unknown")
            return self._unsigned(original, spec, format, found[0])
        if not found and "_" not in spec:
            raise ThumbdError(f"the preset {spec!r} is unknown")
        if format not in self.formats:
            raise ThumbdError(f"the format {format!r} is none of the site's")
        if not found:
            size, method, *options = spec.split("_")
            spec = "_".join([size, method, *sorted(options)])
        stem = f"{self.prefix}{original}/{spec}_"
        return self.base + _escape_path(f"{stem}{_sign(self._key, f'{stem}.{format}')}.{format}")

    def _unsigned(self, original, spec, format, preset):
        own, formats = _format_of(original), preset.get("formats") or []
        stem, _, extension = original.rpartition(".")
        before = _format_of(stem)
        if before and before != own and extension == own and own in formats:
            raise ThumbdError(f"{original!r} would be taken for {stem!r}")
        if (format not in self.formats and format not in formats) if own == format else not own or format not in formats:
            raise ThumbdError(f"the preset {spec!r} does not have the format {format!r} of {original!r}")
        appended = "" if own == format else "." + format
        return self.base + _escape_path(f"{self.prefix}{spec}/{original}{appended}")

    def srcset(self, original, preset, *, width, height, format=None):
        """The srcset of a preset: its widths, or if it has none the preset and its NAME@Nx.

        Each has the width that the thumbnail really has. width and height are the
        original's as it is seen, upright.
        """
        if preset not in self.presets:
            raise ThumbdError(f"the preset {preset!r} is unknown")
        if not width or not height or width < 1 or height < 1:
            raise ThumbdError("the original's width and height must be known")
        entries, last = [], 0
        for name in _ladder(preset, self.presets[preset]):
            url, size = self.url(original, name, format), self._size(original, name, width, height)
            if size and size[0] > last:
                last = size[0]
                entries.append(f"{url} {last}w")
        return ", ".join(entries)

    def parts(self, original, preset, *, width=None, height=None, info=None, alt="", sizes=None, lazy=False, priority=False,
              placeholder=False):
        """The parts of a picture element: {"sources": [attributes], "img": attributes}.

        info is the original's description, a dict of the JSON that thumbd info prints.
        Without width and height they are info's. placeholder shows the tiny picture of
        info's thumbhash until the picture is there.
        """
        if width is None and height is None and info:
            width, height = info.get("width"), info.get("height")
        srcset = self.srcset(original, preset, width=width, height=height)
        size = self._size(original, preset, width, height)
        if not size:
            raise ThumbdError("the thumbnail would be too large")
        sizes = sizes or ("100vw" if self.presets[preset].get("widths") else f"{size[0]}px")
        img = {"src": self.url(original, preset), "srcset": srcset, "sizes": sizes, "width": size[0], "height": size[1],
               "alt": alt or "", "loading": "lazy" if lazy else "eager", "decoding": "async"}
        if priority:
            img["fetchpriority"] = "high"
        style = placeholder and background((info or {}).get("thumbhash"), _within((width, height), (16, 16), False),
                                           self.presets[preset].get("method"))
        if style:
            img["style"] = style
        own = self._default(original)
        sources = [
            {"type": _MEDIA[f], "srcset": self.srcset(original, preset, width=width, height=height, format=f), "sizes": sizes}
            for f in self.presets[preset].get("formats") or []
            # A GIF may be an animation, and an AVIF is none.
            if f != own and (f, own) != ("avif", "gif")
        ]
        return {"sources": sources, "img": img}

    def picture(self, original, preset, **options):
        """The picture element, escaped. Its options are those of parts."""
        parts = self.parts(original, preset, **options)
        lines = ["<picture>", *(_tag("source", s) for s in parts["sources"]), _tag("img", parts["img"]), "</picture>", ""]
        return "\n".join(lines)

    def _find(self, name):
        """The preset of a name in URLs, and its box."""
        preset = self.presets.get(name)
        if preset is not None:
            return preset, _parse_size(preset)
        cut = re.fullmatch(r"(.*)(?:@([1-9][0-9]*)x|-([1-9][0-9]*)w)", name, re.ASCII | re.DOTALL)
        preset = cut and self.presets.get(cut[1])
        if not preset:
            return None
        w, h = _parse_size(preset)
        if cut[2] and int(cut[2]) in (preset.get("dpr") or []):
            return preset, (w * int(cut[2]), h * int(cut[2]))
        if cut[3] and int(cut[3]) in (preset.get("widths") or []):
            return preset, (int(cut[3]), h and max(_scale(h, int(cut[3]), w), 1))
        return None

    def _size(self, original, name, width, height):
        """The size of a thumbnail, as thumbd makes it, or None over the limits."""
        preset, box = self._find(name)
        enlarge = preset.get("enlarge")
        if enlarge is None:
            enlarge = self.enlarge
        # A drawing has no pixels.
        enlarge = enlarge or _format_of(original) == "svg"
        size = _canvas((width, height), box, preset, enlarge)
        if preset.get("method") != "original" and (size[0] > self.limits[0] or size[1] > self.limits[1]):
            return None
        return size

    def _default(self, original):
        own = _format_of(original)
        return own if own in self.formats else "jpg"


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
    return f"{_escape_path(path)}?{query}&signature=" + _sign(key, "\n".join([purpose, path, query]))


def _sign(key, text):
    # The newline at the end of a key's file is not of the key.
    key = (key.encode() if isinstance(key, str) else key).removesuffix(b"\n")
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:21]).decode()


def _ladder(preset, table):
    if table.get("widths"):
        return [f"{preset}-{n}w" for n in sorted(table["widths"])]
    return [preset, *(f"{preset}@{n}x" for n in sorted(table.get("dpr") or []))]


def _parse_size(preset):
    w, _, h = preset.get("size", "x").partition("x")
    return int(w or 0), int(h or 0)


def _canvas(source, box, preset, enlarge):
    method = preset.get("method")
    covered = source[0] >= box[0] and source[1] >= box[1]
    smaller = (min(box[0], source[0]), min(box[1], source[1]))
    if method == "original":
        return source
    if not box[0] or not box[1]:
        box = box if enlarge else smaller
        return _by_height(source, box[1]) if box[1] else _by_width(source, box[0])
    if method in ("pad", "stretch"):
        return box
    if method == "fit":
        return _within(source, box, enlarge)
    if method == "scale":
        if not enlarge and not covered:
            return source
        return _by_width(source, box[0]) if _wider(box, source) else _by_height(source, box[1])
    if enlarge or covered:
        return box
    return smaller if preset.get("uncovered") == "axes" else _within(box, source, False)


def _within(source, box, enlarge):
    if not enlarge and source[0] <= box[0] and source[1] <= box[1]:
        return source
    return _by_height(source, box[1]) if _wider(box, source) else _by_width(source, box[0])


def _wider(a, b):
    return a[0] * b[1] >= b[0] * a[1]


def _by_width(size, width):
    return width, max(_scale(size[1], width, size[0]), 1)


def _by_height(size, height):
    return max(_scale(size[0], height, size[1]), 1), height


def _scale(n, to, source):
    """n x to / source, rounded half up."""
    return (2 * n * to + source) // (2 * source)


def _format_of(name):
    """The format that the extension of a name tells, or ""."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return _EXTENSIONS.get(extension.lower(), "") if dot else ""


def _escape_path(path):
    """The path percent-encoded as thumbd url does: q=70 stays q=70."""
    return quote(path, safe="/$&+,:;=@")


def _tag(name, attributes):
    escaped = ((k, str(v).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                .replace('"', "&quot;").replace("'", "&#39;")) for k, v in attributes.items())
    return f"<{name} " + " ".join(f'{k}="{v}"' for k, v in escaped) + ">"
