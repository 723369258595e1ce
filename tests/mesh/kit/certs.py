# SPDX-License-Identifier: Apache-2.0
"""A certificate authority, a server certificate for loopback and client certificates."""
import os
import subprocess


class Certs:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "certs")
        os.makedirs(self.folder, exist_ok=True)
        self.ca, self.ca_key = self._path("ca.pem"), self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "30", "-subj", "/CN=mesh test CA", "-keyout", self.ca_key,
                      "-out", self.ca)
        self.server_cert, self.server_key = self.issue(
            "server", "localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        # RabbitMQ's EXTERNAL takes the user's name from the common name.
        self.client_cert, self.client_key = self.issue("client", "guest")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def issue(self, name, common_name, extension="basicConstraints=CA:FALSE"):
        cert, key, request = (self._path(f"{name}.{end}") for end in ("pem", "key", "csr"))
        ext = self._path(f"{name}.ext")
        with open(ext, "w", encoding="ascii") as out:
            out.write(extension + "\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={common_name}", "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key,
                      "-CAcreateserial", "-days", "30", "-extfile", ext, "-out", cert)
        os.chmod(key, 0o644)
        return cert, key
