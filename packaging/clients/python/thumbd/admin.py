# SPDX-License-Identifier: MIT
"""thumbd's socket for administrators and their applications: thumbd-admin(7).

    admin = Admin()
    admin.purge("gallery", ["animals/kitten.jpg"])
    admin.warm("gallery", "animals/kitten.jpg", ["card"])

The application's user must be of the group thumbd-admin.
"""

import http.client
import logging
import socket
from urllib.parse import urlencode

from thumbd._error import ThumbdError

_log = logging.getLogger("thumbd")


class Admin:
    """Asks the thumbd that listens at a socket, for at most so many seconds each time.

    The timeout must be longer than wait of [nodes] in thumbd.toml, which is 10 s if the
    file does not say otherwise.
    """

    def __init__(self, path="/run/thumbd/admin.sock", timeout=60):
        self.path, self.timeout = path, timeout

    def purge(self, site, originals, wait=None, here=False):
        """Remove the thumbnails of originals: they were replaced or deleted.

        If this machine shares a journal with others, the answer comes when all of them have
        purged, or after wait seconds (None: as thumbd.toml says). The result has a line for
        each machine that is not known to have purged, for example
        "n3: has read the journal at 2026-11-29T01:15:30Z last", and so has a warning in the
        log of "thumbd". The purge is written for these machines: they make it up. here
        purges on this machine alone.
        """
        form = [("site", site)]
        if wait is not None:
            form.append(("wait", f"{wait:.3f}s"))
        if here:
            form.append(("here", "1"))
        _, *behind = self._post("/purge", form + [("original", name) for name in originals], wait or 0).split("\n")
        if behind:
            _log.warning("thumbd purge of %s: not all machines are known to have purged: %s", site, "; ".join(behind))
        return behind

    def warm(self, site, original, presets=()):
        """Have the thumbnails of an original made, in some presets or in all."""
        self._post("/warm", [("site", site), ("original", original), *(("preset", name) for name in presets)])

    def _post(self, route, form, more=0):
        connection = _Unix(self.path, self.timeout + more)
        try:
            connection.request("POST", route, urlencode(form, errors="surrogateescape"), {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            text = response.read().decode(errors="replace").strip()
        finally:
            connection.close()
        if response.status not in (200, 202):
            raise ThumbdError(f"thumbd refuses {route}: {response.status} {text}")
        return text


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("thumbd", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
