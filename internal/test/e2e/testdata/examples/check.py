# SPDX-License-Identifier: MIT
import json
import sys
from urllib.parse import unquote_to_bytes

sys.dont_write_bytecode = True
root = sys.argv[1]
sys.path.insert(0, root + "/packaging/examples/python")
import thumbd_urls as thumbd

checked = 0


def expect(got, want):
    global checked
    checked += 1
    a, b = got.partition("?"), want.partition("?")
    if unquote_to_bytes(a[0]) != unquote_to_bytes(b[0]) or a[2] != b[2]:
        sys.exit(f"got {got}; want {want}")


def vectors(name):
    with open(f"{root}/testdata/vectors/{name}.json", encoding="utf-8") as f:
        v = json.load(f)
    return v["key"].encode(), [x for x in v["vectors"] if "order" not in x]


key, all = vectors("signed")
for x in all:
    expect(thumbd.thumbnail(key, x["prefix"], x["original"], x["spec"], x["ext"]), x["request"])
key, all = vectors("access")
for x in all:
    expect(thumbd.access(key, x["path"], x["expires"]), x["request"])
key, all = vectors("files")
for x in all:
    expect(thumbd.download(key, x["path"], x["expires"], x.get("download")), x["request"])
print(checked)
