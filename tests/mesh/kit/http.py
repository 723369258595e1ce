# SPDX-License-Identifier: Apache-2.0
"""HTTP servers of the tests: one that answers as told, on Python's, and nginx."""
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .process import Process
from .waiting import connectable, free_port, require, until


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        self.open = set()
        super().__init__(*arguments)

    def get_request(self):
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass  # whom we hung up on


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        owner.requests.append((self.path, body))
        owner.gate.wait(60)
        status, answer = owner.answer(self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class HttpServer:
    """answer(path, body) says (status, bytes); start and stop as often as wanted, on the same port."""

    def __init__(self, answer):
        self.answer, self.port = answer, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests = []
        self.gate = threading.Event()  # closed: nobody is answered
        self.gate.set()
        self.server = None
        self.start()

    def start(self):
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.owner = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Also hangs up on those that are being answered."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None

    def close(self):
        self.gate.set()
        self.stop()


CONFIG = """{user} daemon off; pid {folder}/nginx.pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/nginx-access.log; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_client_certificate {ca}; ssl_verify_client on; keepalive_requests 20;
    root {folder}/www;
  }}
}}
"""


class Nginx:
    """Serves files of {folder}/www over TLS to those who have a client certificate."""

    def __init__(self, rig, files):
        self.port = free_port()
        folder = os.path.join(rig.folder, "nginx")
        os.makedirs(os.path.join(folder, "www"))
        for name, text in files.items():
            with open(os.path.join(folder, "www", name), "w", encoding="utf-8") as out:
                out.write(text)
        certs = rig.certs
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="ascii") as out:
            # Its workers would otherwise be nobody, who may not read the folder of a test.
            user = "" if os.geteuid() else "user root;"
            out.write(CONFIG.format(user=user, folder=folder, port=self.port, cert=certs.server_cert, key=certs.server_key,
                                    ca=certs.ca))
        self.access = os.path.join(folder, "nginx-access.log")
        self.process = rig.own(Process(["/usr/sbin/nginx", "-p", folder, "-c", config],
                                       os.path.join(rig.folder, "nginx.log")))
        self.process.start()
        until(lambda: connectable(self.port) or not self.process.alive(), lambda: self.process.tail())
        require(self.process.alive(), lambda: "nginx (apt install nginx-light):\n" + self.process.tail())

    def asked(self):
        """The statuses that it has answered with."""
        with open(self.access, encoding="ascii") as log:
            return [line.split('" ')[1].split()[0] for line in log]
