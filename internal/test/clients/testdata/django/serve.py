# SPDX-License-Identifier: MIT
"""Makes the site's tables, and serves it on the socket that is file 3."""
import os
import socket
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

sys.dont_write_bytecode = True
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), sys.argv[1] + "/python"]
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402


class Server(WSGIServer):
    def server_bind(self):
        self.socket.close()
        self.socket = socket.socket(fileno=3)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address
        self.setup_environ()


server = Server(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(get_wsgi_application())
call_command("migrate", run_syncdb=True, verbosity=0)
server.serve_forever()
