# SPDX-License-Identifier: MIT
"""{% load thumbd %}

<img src="{% thumbd_url photo.image.name 'card' %}">
{% thumbd_picture photo.image.name 'hero' width=photo.image.width height=photo.image.height alt=photo.title %}

A field's name will do for its file: {% thumbd_url photo.image 'card' %}.
"""

import time
from urllib.parse import unquote

from django import template
from django.conf import settings
from django.utils.safestring import mark_safe

from thumbd import access
from thumbd.django import site

register = template.Library()


@register.simple_tag
def thumbd_url(original, spec, format=None):
    return site().url(str(original), spec, format)


@register.simple_tag
def thumbd_protected_url(original, spec, format=None):
    url = site().url(str(original), spec, format)
    # Browsers keep what has the same URL, so it changes once in so many seconds.
    seconds = getattr(settings, "THUMBD_ACCESS_SECONDS", 3600)
    expires = (int(time.time()) // seconds + 2) * seconds
    base = site().base
    return base + access(settings.THUMBD_ACCESS_KEY, unquote(url.removeprefix(base)), expires)


@register.simple_tag
def thumbd_picture(original, preset, **options):
    # Site.picture escapes.
    return mark_safe(site().picture(str(original), preset, **options))
