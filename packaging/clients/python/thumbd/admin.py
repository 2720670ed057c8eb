# SPDX-License-Identifier: MIT
"""thumbd's socket for administrators and their applications: thumbd-admin(7).

    admin = Admin()
    admin.purge("gallery", ["animals/kitten.jpg"])
    admin.warm("gallery", "animals/kitten.jpg", ["card"])

The application's user must be of the group thumbd-admin.
"""

import http.client
import socket
from urllib.parse import urlencode

from thumbd._error import ThumbdError


class Admin:
    """Asks the thumbd that listens at a socket, for at most so many seconds each time."""

    def __init__(self, path="/run/thumbd/admin.sock", timeout=60):
        self.path, self.timeout = path, timeout

    def purge(self, site, originals):
        """Remove the thumbnails of originals: they were replaced or deleted."""
        self._post("/purge", [("site", site), *(("original", name) for name in originals)])

    def warm(self, site, original, presets=()):
        """Have the thumbnails of an original made, in some presets or in all."""
        self._post("/warm", [("site", site), ("original", original), *(("preset", name) for name in presets)])

    def _post(self, route, form):
        connection = _Unix(self.path, self.timeout)
        try:
            connection.request("POST", route, urlencode(form, errors="surrogateescape"), {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
        finally:
            connection.close()
        if response.status != 200:
            raise ThumbdError(f"thumbd refuses {route}: {response.status} {text}")


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("thumbd", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
