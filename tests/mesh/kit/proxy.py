# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy between a gateway and a broker that can misbehave as networks do."""
import select
import socket
import struct
import threading
import time

from .waiting import free_port

FORWARD, STALL, HALF_OPEN, SILENT = "forward", "stall", "half-open", "silent"


class Proxy:
    """forward: copies bytes.  stall: reads nothing, so that the sender's buffers fill up.
    half-open: swallows what comes in, in both directions, and says nothing.
    silent: as half-open, and new connections reach nobody."""

    def __init__(self, target_port, port=None):
        self.target_port = target_port
        self.mode = FORWARD
        self.delay_s = 0.0
        self.accepted = 0
        self.forwarded_bytes = 0
        self.pairs = set()
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = port or free_port()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.running = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.running:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            server = None
            if self.mode != SILENT:
                server = socket.socket()
                try:
                    server.connect(("127.0.0.1", self.target_port))
                except OSError:
                    client.close()
                    server.close()
                    continue
            for end in (client, server):
                if end:  # what comes in small pieces goes on so at once, as without a proxy
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.add((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()

    def _pump(self, client, server):
        other = {client: server, server: client} if server else {client: None}
        try:
            while self.running:
                mode = self.mode
                if mode == STALL:
                    time.sleep(0.02)
                    continue
                ready, _, _ = select.select(list(other), [], [], 0.1)
                if self.mode == STALL:
                    continue
                for end in ready:
                    data = end.recv(65536)
                    if self.mode in (HALF_OPEN, SILENT):
                        if not data:
                            other.pop(end)  # its close is not passed on, either
                            if not other:
                                return
                        continue
                    if not data:
                        return
                    if self.delay_s:
                        time.sleep(self.delay_s)
                    if other[end] is not None:
                        other[end].sendall(data)
                        self.forwarded_bytes += len(data)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.pairs.discard((client, server))
            for end in (client, server):
                if end is not None:
                    end.close()

    def connections(self):
        with self.lock:
            return len(self.pairs)

    def cut(self):
        """Ends every connection with a reset."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                if end is None:
                    continue
                try:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)  # wakes the pump, whose close sends the reset
                except OSError:
                    pass

    def close(self):
        self.running = False
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()
