# SPDX-License-Identifier: MIT
"""A Django app for templates.

settings.py:

    INSTALLED_APPS = [..., "thumbd.django"]
    THUMBD = {"prefix": "/thumbs/", "scheme": "signed", "key": os.environ["THUMBD_KEY"], "presets": {...}}

A protected site has THUMBD_ACCESS_KEY, and THUMBD_ACCESS_SECONDS for how long its URLs
stay the same (3600).
"""

import functools

from django.conf import settings
from django.core.signals import setting_changed

from thumbd import Site


@functools.cache
def site():
    """The site of settings.THUMBD."""
    return Site(**settings.THUMBD)


def _forget(*, setting, **_):
    if setting == "THUMBD":
        site.cache_clear()


setting_changed.connect(_forget)
