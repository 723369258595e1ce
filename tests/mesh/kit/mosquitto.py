# SPDX-License-Identifier: Apache-2.0
"""A Mosquitto on a loopback port."""
import os
import shutil
import signal

from .process import Process
from .waiting import connectable, free_port, until


class Mosquitto:
    kind = "mqtt"

    def __init__(self, folder, name="mosquitto", extra="", listener="", port=None, persist=False,
                 autosave=True, log="all"):
        """listener: lines for the listener (TLS …), extra: lines for the broker; log: what it logs."""
        self.port = port or free_port()
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o777)
        lines = [f"user {os.environ.get('USER') or 'root'}" if os.getuid() == 0 else "",
                 "per_listener_settings false",
                 "max_queued_messages 0", "max_inflight_messages 0", f"log_type {log}",
                 "allow_anonymous true" if "allow_anonymous" not in extra else ""]
        if persist:
            # Sessions survive SIGKILL: autosave writes after every change, which is slow; without it
            # what save() wrote survives.
            lines += ["persistence true", f"persistence_location {self.folder}/", "queue_qos0_messages true"]
            lines += ["autosave_on_changes true", "autosave_interval 1"] if autosave else ["autosave_interval 0"]
        lines += [extra, f"listener {self.port} 127.0.0.1", listener]
        self.config = os.path.join(self.folder, "mosquitto.conf")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = Process([binary, "-c", self.config], os.path.join(self.folder, "log"))

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self.process.start()
        until(lambda: connectable(self.port) or not self.process.alive(), "Mosquitto listens")
        if not self.process.alive():
            raise RuntimeError("Mosquitto did not start:\n" + self.process.tail())
        return self

    def save(self):
        """Writes sessions and their messages to the disk now."""
        database = os.path.join(self.folder, "mosquitto.db")
        seen = os.stat(database).st_mtime_ns if os.path.exists(database) else 0
        self.process.signal(signal.SIGUSR1)
        until(lambda: os.path.exists(database) and os.stat(database).st_mtime_ns != seen,
              "Mosquitto has saved")

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process.alive():
            self.process.term()
