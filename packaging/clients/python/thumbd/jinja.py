# SPDX-License-Identifier: MIT
"""thumbd.jinja.install(environment, site), then

    <img src="{{ photo.name | thumbd_url('card') }}">
    {{ photo.name | thumbd_picture('hero', width=photo.width, height=photo.height, alt=photo.title) }}
"""


def install(environment, site):
    # jinja2 is there if this is called.
    from markupsafe import Markup

    def picture(original, preset, **options):
        return Markup(site.picture(original, preset, **options))

    environment.filters["thumbd_url"] = site.url
    environment.filters["thumbd_picture"] = picture
