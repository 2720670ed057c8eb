# SPDX-License-Identifier: MIT
import json
import sys
import time

sys.dont_write_bytecode = True
root, key_file = sys.argv[1:]
sys.path.insert(0, root + "/packaging/examples/python")

import django
import jinja2
from django.conf import settings
from django.template import Context, Engine

import thumbd_jinja
import thumbd_urls

with open(root + "/testdata/vectors/signed.json", encoding="utf-8") as f:
    vectors = json.load(f)
with open(key_file, "w") as f:
    f.write(vectors["key"] + "\n")
want = vectors["vectors"][0]
name, spec, ext = want["original"], want["spec"], want["ext"]

environment = jinja2.Environment()
thumbd_jinja.install(environment, thumbd_urls.read_key(key_file), want["prefix"])
got = environment.from_string("{{ name | thumbnail(spec, ext) }}").render(name=name, spec=spec, ext=ext)
assert got == want["request"], got

settings.configure(THUMBD_PREFIX=want["prefix"], THUMBD_KEY=key_file, THUMBD_ACCESS_KEY=key_file, THUMBD_SECONDS=3600)
django.setup()
engine = Engine(libraries={"thumbd": "templatetags.thumbd"}, autoescape=False)


def render(tag):
    template = engine.from_string("{% load thumbd %}{% " + tag + " name spec ext %}")
    return template.render(Context({"name": name, "spec": spec, "ext": ext}, autoescape=False))


assert render("thumbnail") == want["request"]
path, _, query = render("protected_thumbnail").partition("?")
assert path == want["request"], path
expires = int(query.partition("&")[0].removeprefix("expires="))
assert time.time() + 3600 <= expires <= time.time() + 7200
assert f"{path}?{query}" == thumbd_urls.access(vectors["key"].encode(), path, expires)
print("ok")
