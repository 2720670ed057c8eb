# SPDX-License-Identifier: MIT
"""A gallery behind a login, in WSGI and with the standard library alone.

usage: app.py PORT KEY FOLDER USER:PASSWORD...

KEY is the file of thumbd.toml's token_keys, FOLDER that of the originals. A
real application has its own users and sessions; what it needs of this is
token(), and the cookie.
"""

import base64
import hashlib
import hmac
import html
import json
import os
import sys
import time
from urllib.parse import parse_qs, quote
from wsgiref.simple_server import WSGIRequestHandler, make_server

HOURS = 8


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(key, text):
    return encode(hmac.new(key, text, hashlib.sha256).digest())


def token(key, site, user, prefix=None):
    """A token (RFC 7519, HS256) for a site of thumbd's, or a folder of it."""
    claims = {"aud": site, "sub": user, "exp": int(time.time()) + HOURS * 3600, "jti": os.urandom(12).hex()}
    if prefix is not None:
        claims["prefix"] = prefix
    text = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps(claims).encode())
    return (text + b"." + sign(key, text)).decode()


class Gallery:
    def __init__(self, key, folder, users):
        self.key, self.folder, self.users = key, folder, users

    def __call__(self, environ, start_response):
        route = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if route == ("GET", "/"):
            return self.page(start_response)
        if route == ("GET", "/login"):
            return self.form(start_response, "200 OK")
        if route == ("POST", "/login"):
            return self.login(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found\n"]

    def page(self, start_response):
        names = sorted(n for n in os.listdir(self.folder) if n.endswith((".jpg", ".png", ".webp")))
        images = "".join(f'<img src="/thumbs/card/{quote(n)}" alt="{html.escape(n)}">\n' for n in names)
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [f"<!doctype html><title>Gallery</title>\n{images}".encode()]

    def form(self, start_response, status):
        start_response(status, [("Content-Type", "text/html; charset=utf-8")])
        return [b'<!doctype html><title>Login</title><form method="post">'
                b'<input name="user"><input name="password" type="password"><button>Login</button></form>']

    def login(self, environ, start_response):
        size = min(int(environ.get("CONTENT_LENGTH") or 0), 4096)
        form = parse_qs(environ["wsgi.input"].read(size).decode("utf-8", "replace"))
        user, password = form.get("user", [""])[0], form.get("password", [""])[0]
        if not hmac.compare_digest(self.users.get(user, "").encode(), password.encode()) or not password:
            return self.form(start_response, "403 Forbidden")
        # Path: the token goes with requests for thumbnails alone. Add Secure
        # where the site has https.
        cookie = f"thumbd={token(self.key, 'gallery', user)}; Path=/thumbs/; HttpOnly; SameSite=Lax; Max-Age={HOURS * 3600}"
        start_response("303 See Other", [("Location", "/"), ("Set-Cookie", cookie)])
        return [b""]


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    port, key_file, folder, *users = sys.argv[1:]
    with open(key_file, "rb") as f:
        key = f.read().removesuffix(b"\n")
    gallery = Gallery(key, folder, dict(u.split(":", 1) for u in users))
    make_server("127.0.0.1", int(port), gallery, handler_class=Quiet).serve_forever()
