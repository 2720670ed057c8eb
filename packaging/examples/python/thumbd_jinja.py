# SPDX-License-Identifier: MIT
"""thumbd_jinja.install(environment, key, "/thumbs/"), then
<img src="{{ photo.name | thumbnail('400x300_crop', 'webp') }}">
"""

import thumbd_urls


def install(environment, key, prefix):
    def thumbnail(original, spec, ext):
        return thumbd_urls.thumbnail(key, prefix, original, spec, ext)

    environment.filters["thumbnail"] = thumbnail
