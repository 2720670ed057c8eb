# SPDX-License-Identifier: MIT
"""python3 tests/test_thumbd.py. With Debian's Django and Jinja for their tests."""

import json
import pathlib
import sys
import time
import unittest
from urllib.parse import unquote_to_bytes

sys.dont_write_bytecode = True
here = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(here.parents[1]))

from thumbd import Site, ThumbdError, access, download  # noqa: E402


def read(name):
    return json.loads((here.parents[4] / "testdata/vectors" / f"{name}.json").read_text(encoding="utf-8"))


clients = read("clients")
sites = {name: Site(**options) for name, options in clients["sites"].items()}


def options(x):
    return {k: x[k] for k in ("width", "height", "info", "alt", "sizes", "lazy", "priority", "placeholder") if k in x}


class Vectors(unittest.TestCase):
    def test_clients(self):
        self.assertTrue(clients["urls"] and clients["srcsets"] and clients["pictures"] and clients["refused"])
        for x in clients["urls"]:
            self.assertEqual(sites[x["site"]].url(x["original"], x["spec"], x.get("format")), x["want"])
        for x in clients["srcsets"]:
            got = sites[x["site"]].srcset(x["original"], x["spec"], width=x["width"], height=x["height"], format=x.get("format"))
            self.assertEqual(got, x["want"])
        for x in clients["pictures"]:
            self.assertEqual(sites[x["site"]].picture(x["original"], x["spec"], **options(x)), x["want"])
        for x in clients["refused"]:
            with self.assertRaises(ThumbdError, msg=x["why"]):
                sites[x["site"]].picture(x["original"], x["spec"], **options(x))

    def same(self, got, want):
        # The other vectors have one right encoding of many.
        a, b = got.partition("?"), want.partition("?")
        self.assertEqual((unquote_to_bytes(a[0]), a[2]), (unquote_to_bytes(b[0]), b[2]))

    def test_signatures(self):
        v = read("signed")
        for x in v["vectors"]:
            site = Site(prefix=x["prefix"], scheme="signed", key=v["key"] + "\n", presets={x["spec"]: {}})
            self.same(site.url(x["original"], x["spec"], x["ext"]), x["request"])
        v = read("access")
        for x in v["vectors"]:
            self.same(access(v["key"].encode(), x["path"], x["expires"]), x["request"])
        v = read("files")
        for x in v["vectors"]:
            if "order" not in x:
                self.same(download(v["key"], x["path"], x["expires"], x.get("download")), x["request"])


class Templates(unittest.TestCase):
    def test_jinja(self):
        import jinja2

        import thumbd.jinja

        for x in clients["pictures"]:
            environment = jinja2.Environment(autoescape=True)
            thumbd.jinja.install(environment, sites[x["site"]])
            text = "{{ name | thumbd_url(spec) }}|{{ name | thumbd_picture(spec, **options) }}"
            got = environment.from_string(text).render(name=x["original"], spec=x["spec"], options=options(x))
            url, _, element = got.partition("|")
            self.assertEqual(element, x["want"])
            self.assertIn(f'<img src="{url}"', element)

    def test_django(self):
        import django
        from django.conf import settings
        from django.template import Context, Engine
        from django.test.utils import override_settings

        settings.configure(INSTALLED_APPS=["thumbd.django"], THUMBD_ACCESS_KEY="thumbd-test-key-0123456789abcdef")
        django.setup()
        engine = Engine(libraries={"thumbd": "thumbd.django.templatetags.thumbd"})
        for x in clients["pictures"]:
            with override_settings(THUMBD=clients["sites"][x["site"]]):
                given = " ".join(f"{k}={k}" for k in options(x))
                template = engine.from_string(
                    "{% load thumbd %}{% thumbd_url name spec %}|{% thumbd_protected_url name spec %}|"
                    "{% thumbd_picture name spec " + given + " %}")
                got = template.render(Context({"name": x["original"], "spec": x["spec"], **options(x)}))
                url, protected, element = got.split("|")
                self.assertEqual(element, x["want"])
                self.assertIn(f'<img src="{url}"', element)
                path, _, query = protected.partition("?")
                self.assertEqual(path, url)
                expires = int(query.partition("&")[0].removeprefix("expires="))
                self.assertTrue(time.time() + 3600 <= expires <= time.time() + 7201)


if __name__ == "__main__":
    unittest.main()
