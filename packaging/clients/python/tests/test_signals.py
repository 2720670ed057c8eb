# SPDX-License-Identifier: MIT
"""Tests the signals for Django against a socket that answers a warm only when it is told.

usage: python3 test_signals.py
"""

import io
import logging
import os
import socketserver
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import django
from django.conf import settings

folder = tempfile.TemporaryDirectory()
SOCKET = folder.name + "/admin.sock"
settings.configure(
    INSTALLED_APPS=["thumbd.django"], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", MEDIA_ROOT=folder.name, THUMBD_SITE="gallery", THUMBD_ADMIN=SOCKET, THUMBD={},
)
django.setup()

from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext

from thumbd.admin import Admin
from thumbd.django import signals

asked = {"/purge": [], "/warm": []}
requests = []
forms = []  # of purges
behind = []  # the lines of machines that are not known to have purged
answering = threading.Event()


class Thumbd(BaseHTTPRequestHandler):
    def do_POST(self):
        requests.append(self.path)
        form = parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), errors="surrogateescape")
        asked[self.path] += [value for name, value in form if name == "original"]
        text = b""
        if self.path == "/warm":
            answering.wait()
        else:
            forms.append(form)
            text = "\n".join(["purged: 2 thumbnails removed", *behind, ""]).encode()
        self.send_response(202 if behind and self.path == "/purge" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if text:
            self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 100


class Photo(models.Model):
    title = models.CharField(max_length=100)
    image = models.FileField(upload_to="photos")

    class Meta:
        app_label = "photos"


@contextmanager
def warnings_of(name):
    """What a logger writes meanwhile."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger(name).addHandler(handler)
    yield text
    logging.getLogger(name).removeHandler(handler)


with connection.schema_editor() as editor:
    editor.create_model(Photo)
signals.follow(Photo, "image", presets=["card"])
server = Server(SOCKET, Thumbd)
threading.Thread(target=server.serve_forever, daemon=True).start()

# Many uploads are many originals, and few threads.
names = [f"photos/{i}.jpg" for i in range(20)]
for name in names:
    Photo().image.save(os.path.basename(name), ContentFile(b"a picture"))
threads = [t.name for t in threading.enumerate() if t.name.startswith("thumbd warm")]
answering.set()  # before a failure, too: the process ends after its threads
assert len(threads) == 2, threads
assert asked["/purge"] == names, asked
signals._background.shutdown()
assert sorted(asked["/warm"]) == sorted(names), asked

# An instance without the field is saved as if it was not followed, and can be deleted.
asked["/purge"].clear()
photo = Photo.objects.only("title").get(image=names[0])
photo.title = "A kitten"
with CaptureQueriesContext(connection) as queries:
    photo.save()
assert len(queries) == 1, list(queries)
Photo.objects.only("title").get(image=names[0]).delete()
assert asked["/purge"] == names[:1], asked

# A transaction has one purge; without it, none; a savepoint's warm goes with it.
def save(name):
    Photo().image.save(name, ContentFile(b"a picture"))


signals._start()
for list_ in (requests, *asked.values()):
    list_.clear()
with transaction.atomic():
    save("t1.jpg")
    try:
        with transaction.atomic():
            save("t2.jpg")
            raise KeyError
    except KeyError:
        save("t3.jpg")
    assert not requests, requests
signals._background.shutdown()
assert requests.count("/purge") == 1 and asked["/purge"] == ["photos/t1.jpg", "photos/t2.jpg", "photos/t3.jpg"], (requests, asked)
assert sorted(asked["/warm"]) == ["photos/t1.jpg", "photos/t3.jpg"], asked
signals._start()
requests.clear()
try:
    with transaction.atomic():
        save("t4.jpg")
        raise KeyError
except KeyError:
    asked["/purge"].clear()
save("t5.jpg")
assert requests.count("/purge") == 1 and asked["/purge"] == ["photos/t5.jpg"], (requests, asked)

# A name that is no text stops no save.
asked["/purge"].clear()
photo = Photo(image="photos/latin-\udce9.jpg")
signals._after_commit("default", [photo.image.name], "", None)
assert asked["/purge"] == [photo.image.name], asked
with warnings_of("thumbd") as log:
    signals._after_commit("default", ["photos/\ud800.jpg"], "", None)
assert "surrogates not allowed" in log.getvalue(), log.getvalue()

# A purge that a machine has yet to make up is no failure: the log names the machine.
forms.clear()
behind.append("n2: has read the journal at 2026-11-29T01:15:30Z last")
settings.THUMBD_WAIT = 0.25
with warnings_of("thumbd") as log:
    save("behind.jpg")
assert log.getvalue() == f"thumbd purge of gallery: not all machines are known to have purged: {behind[0]}\n", log.getvalue()
assert forms == [[("site", "gallery"), ("wait", "0.250s"), ("original", "photos/behind.jpg")]], forms
admin = Admin(SOCKET)
with warnings_of("thumbd") as log:
    assert admin.purge("gallery", ["a.jpg"], here=True) == behind, behind
    assert behind[0] in log.getvalue(), log.getvalue()
behind.clear()
with warnings_of("thumbd") as log:
    assert admin.purge("gallery", ["a.jpg"]) == [] and not log.getvalue(), log.getvalue()
assert forms[1:] == [[("site", "gallery"), ("here", "1"), ("original", "a.jpg")], [("site", "gallery"), ("original", "a.jpg")]], forms

# A child has a background of its own.
child = os.fork()
if child == 0:
    try:
        signals._background.submit(os._exit, 0).result()
    finally:
        os._exit(1)
assert os.waitpid(child, 0)[1] == 0
server.shutdown()
folder.cleanup()
print("signals: uploads, transactions, and instances without the field")
