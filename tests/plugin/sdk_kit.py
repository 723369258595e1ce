# SPDX-License-Identifier: Apache-2.0
"""What tests of the installed SDK share: the installation, out-of-tree builds, a gateway that runs."""
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

passed = failed = 0


def check(what, good, shown=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"{what}: {shown}", file=sys.stderr)
    return good


def done(suite):
    print(f"{suite}: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


class Sdk:
    """The build, installed into a folder of its own; with it a place for projects."""

    def __init__(self, build, sanitize="none"):
        self.sanitize = sanitize
        self.place = tempfile.TemporaryDirectory(prefix="meshgate-sdk-")
        self.work = Path(self.place.name) / "work"
        self.work.mkdir()
        root = Path(self.place.name) / "root"
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], check=True,
                       env={**os.environ, "DESTDIR": str(root)}, stdout=subprocess.DEVNULL)
        self.meshgate = next(root.glob("**/bin/meshgate"))
        pkgconfig = next(root.glob("**/meshgate-plugin.pc")).parent
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("MESHGATE_")}
        self.env["PKG_CONFIG_PATH"] = str(pkgconfig)
        self.env["PATH"] = f"{self.meshgate.parent}:{self.env['PATH']}"
        self.modules = self.pkg_config("--variable=moduledir", "meshgate-plugin")
        # An installation under DESTDIR does not lie where the program looks by itself.
        self.env["MESHGATE_MODULES"] = self.modules

    def pkg_config(self, *words):
        return subprocess.run(["pkg-config", *words], check=True, capture_output=True, text=True,
                              env=self.env).stdout.strip()

    def run(self, *command, cwd=None, timeout=300, **env):
        """(exit code, stdout and stderr)"""
        ended = subprocess.run([str(c) for c in command], cwd=cwd or self.work, env={**self.env, **env},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                               check=False)
        return ended.returncode, ended.stdout

    def must(self, what, *command, **options):
        code, out = self.run(*command, **options)
        return check(what, code == 0, f"{' '.join(str(c) for c in command)}: exit {code}\n{out}")

    def build(self, name, project):
        """Configures, builds and tests a meson project with nothing but the installation."""
        options = [] if self.sanitize == "none" else [f"-Db_sanitize={self.sanitize}", "-Db_lundef=false"]
        return self.must(f"{name} is configured", "meson", "setup", "build", "-Dwerror=true", *options,
                         cwd=project) \
            and self.must(f"{name} compiles without a warning", "ninja", "-C", "build", cwd=project) \
            and self.must(f"{name} passes its own tests", "meson", "test", "-C", "build", "--print-errorlogs",
                          cwd=project)

    def exports(self, name, module):
        code, out = self.run("nm", "-D", "--defined-only", module)
        names = [line.split()[-1] for line in out.splitlines()]
        ours = [n for n in names if not n.lstrip("_").startswith(("asan", "odr_asan", "ubsan", "tsan"))]
        check(f"{name} exports mg_module alone", code == 0 and ours == ["mg_module"], out)


class Gateway:
    """`meshgate run` on a configuration that is checked before, in a folder of its own."""

    def __init__(self, sdk, folder, configuration):
        self.file, self.log = folder / "try.yaml", folder / "gateway.log"
        self.file.write_text(configuration)
        sdk.must("the configuration is good", "meshgate", "check", "-c", self.file)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([sdk.meshgate, "run", "-c", self.file], env=sdk.env, stdout=log,
                                            stderr=log)

    def wait(self, what, condition, seconds=60):
        until = time.monotonic() + seconds
        while not condition() and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        return check(what, condition(), self.log.read_text())

    def stop(self):
        """A stop drains, unloads every module, and ends with 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        check("the gateway stops in good order", code == 0, f"exit {code}\n{self.log.read_text()}")


def text_of(path):
    return path.read_text() if path.exists() else ""
