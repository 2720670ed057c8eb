# SPDX-License-Identifier: MIT
"""{% load thumbd %}
<img src="{% thumbnail photo.image.name '400x300_crop' 'webp' %}">

settings.py: THUMBD_PREFIX = "/thumbs/", THUMBD_KEY = a key's file, and for a
protected site THUMBD_ACCESS_KEY and THUMBD_SECONDS.
"""

import time
from urllib.parse import unquote

from django import template
from django.conf import settings

import thumbd_urls

register = template.Library()


@register.simple_tag
def thumbnail(original, spec, ext):
    key = thumbd_urls.read_key(settings.THUMBD_KEY)
    return thumbd_urls.thumbnail(key, settings.THUMBD_PREFIX, original, spec, ext)


@register.simple_tag
def protected_thumbnail(original, spec, ext):
    url = thumbnail(original, spec, ext)
    key = thumbd_urls.read_key(settings.THUMBD_ACCESS_KEY)
    # Browsers keep what has the same URL, so it changes once in THUMBD_SECONDS.
    seconds = settings.THUMBD_SECONDS
    expires = (int(time.time()) // seconds + 2) * seconds
    return thumbd_urls.access(key, unquote(url), expires)
