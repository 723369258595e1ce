# SPDX-License-Identifier: Apache-2.0
"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as hooks of the fake MQTT server."""
import base64
import hashlib
import hmac
import os

from .fake import wire

METHOD = "SCRAM-SHA-256"
CONTINUE = 0x18


def _hmac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class ScramServer:
    def __init__(self, peer, user, password, liar=False):
        """liar: a server that does not know the password and lets everybody in."""
        self.user, self.password, self.liar = user, password, liar
        self.seen = []
        peer.on(wire.CONNECT, self._first)
        peer.on(wire.AUTH, self._final)

    def _first(self, connection, packet):
        text = packet.props.get("auth_data", b"").decode()
        self.seen.append(packet.props.get("auth_method"))
        if packet.props.get("auth_method") != METHOD or not text.startswith("n,,n="):
            connection.accept(0x8c)
            return True
        self.bare = text[3:]
        fields = dict(f.split("=", 1) for f in self.bare.split(","))
        self.salt, self.nonce = os.urandom(16), fields["r"] + base64.b64encode(os.urandom(12)).decode()
        self.first = f"r={self.nonce},s={base64.b64encode(self.salt).decode()},i=4096"
        connection.send(wire.auth(CONTINUE, auth_method=METHOD, auth_data=self.first.encode()))
        return True

    def _final(self, connection, packet):
        text = packet.props["auth_data"].decode()
        without, proof = text.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, 4096)
        key = _hmac(salted, b"Client Key")
        whole = f"{self.bare},{self.first},{without}".encode()
        sign = _hmac(hashlib.sha256(key).digest(), whole)
        given = bytes(a ^ b for a, b in zip(sign, base64.b64decode(proof)))
        known = hashlib.sha256(given).digest() == hashlib.sha256(key).digest()
        if not self.liar and (not known or f"r={self.nonce}" not in without or "c=biws" not in without):
            connection.accept(0x86, reason_string="the proof is wrong")
            return True
        answer = _hmac(_hmac(salted, b"Server Key"), whole)
        if self.liar:
            answer = os.urandom(32)
        connection.accept(auth_method=METHOD, auth_data=b"v=" + base64.b64encode(answer))
        return True
