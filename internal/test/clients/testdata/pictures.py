# SPDX-License-Identifier: MIT
"""Reads a site and originals from stdin, and writes their picture elements: see all."""
import json
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1] + "/python")
from thumbd import Site  # noqa: E402

given = json.load(sys.stdin)
site = Site(**given["options"])
json.dump([site.picture(x.pop("original"), x.pop("preset"), **x) for x in given["cases"]], sys.stdout)
