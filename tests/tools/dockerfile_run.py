#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Carries out docker/Dockerfile without an engine: debootstrap folders for images, chroot for RUN.

Then starts what the image would start, as its user, asks its health check, and checks the compose
file.  Needs root.  Ends on `docker: N passed, N failed`."""
import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOUNTS = ("proc", "sys", "dev")


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def base_image(cache):
    """A bare bookworm, made once, from this machine's own mirror."""
    done = os.path.join(cache, "base.ok")
    base = os.path.join(cache, "base")
    if not os.path.exists(done):
        shutil.rmtree(base, ignore_errors=True)
        os.makedirs(cache, exist_ok=True)
        mirror = output("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages",
                        "Codename: bookworm").split("\n")[0]
        print("debootstrap bookworm …", flush=True)
        with open(os.path.join(cache, "log"), "w", encoding="utf-8") as log:
            run("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", base, mirror,
                stdout=log, stderr=log)
        open(done, "w", encoding="utf-8").close()
    return base


def copy_in(root):
    """Lets apt and the resolver inside work as they do outside."""
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", f"{root}/etc/{name}")
    for path in glob.glob(f"{root}/etc/apt/sources.list*"):
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    for path in glob.glob("/etc/apt/sources.list*"):
        target = f"{root}{path}"
        shutil.copytree(path, target) if os.path.isdir(path) else shutil.copy(path, target)
    for path in glob.glob("/etc/apt/apt.conf.d/*"):
        shutil.copy(path, f"{root}/etc/apt/apt.conf.d/")
    if glob.glob("/usr/local/share/ca-certificates/*"):
        run("cp", "-a", "/usr/local/share/ca-certificates/.", f"{root}/usr/local/share/ca-certificates/")
        run("chroot", root, "update-ca-certificates", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Stage:
    def __init__(self, work, base, name):
        self.name = name
        self.root = os.path.join(work, f"stage-{name}")
        run("cp", "-a", "-x", base, self.root)  # without what is mounted in a former stage
        copy_in(self.root)
        for mount in MOUNTS:
            run("mount", "--bind", f"/{mount}", f"{self.root}/{mount}")
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                    "DEBIAN_FRONTEND": "noninteractive"}
        for proxy in ("http_proxy", "https_proxy"):
            if proxy in os.environ:
                self.env[proxy] = os.environ[proxy]
        self.workdir, self.user = "/", None
        self.entrypoint, self.command, self.health, self.stop_signal = [], [], [], "SIGTERM"

    def close(self):
        for mount in reversed(MOUNTS):
            subprocess.run(["umount", f"{self.root}/{mount}"], check=False)
        if not os.path.ismount(f"{self.root}/dev"):
            shutil.rmtree(self.root, ignore_errors=True)

    def arguments(self, command):
        user = [f"--userspec={self.user}"] if self.user else []
        inside = ["sh", "-c", f"cd {shlex.quote(self.workdir)} && exec \"$@\"", "sh", *command]
        return ["chroot", *user, self.root, *inside]

    def run(self, command, **options):
        return subprocess.run(self.arguments(command), env=self.env, **options)

    def path(self, inside):
        return self.root + os.path.join(self.workdir, inside)

    def size_mib(self):
        return int(output("du", "-sxm", self.root).split()[0])


def instructions(path):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M)
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.strip():
            word, rest = line.strip().split(None, 1)
            yield word.upper(), rest.strip()


def words(rest):
    return json.loads(rest) if rest.startswith("[") else ["sh", "-c", rest]


def do_copy(stage, stages, rest):
    parts = shlex.split(rest)
    flags = [p for p in parts if p.startswith("--")]
    sources, target = [p for p in parts if p not in flags][:-1], parts[-1]
    origin = ROOT
    for flag in flags:
        name, value = flag[2:].split("=")
        if name != "from":
            raise ValueError(f"COPY {flag} is not understood here")
        origin = stages[value].root
    into = stage.path(target)
    os.makedirs(into if target.endswith("/") or len(sources) > 1 or target == "." else os.path.dirname(into),
                exist_ok=True)
    for source in sources:
        full = os.path.join(origin, source.lstrip("/"))
        if os.path.isdir(full) and origin == ROOT:
            # What git knows is what a clean checkout sends to an engine.
            files = subprocess.Popen(["git", "-c", "safe.directory=*", "-C", full, "ls-files", "-z"], stdout=subprocess.PIPE)
            pack = subprocess.Popen(["tar", "-C", full, "--null", "-T", "-", "-c"], stdin=files.stdout,
                                    stdout=subprocess.PIPE)
            run("tar", "-C", into, "-x", stdin=pack.stdout)
        elif os.path.isdir(full):
            # As COPY: a folder's contents, with links to folders (lib → usr/lib) followed at the target.
            pack = subprocess.Popen(["tar", "-C", full, "-c", "."], stdout=subprocess.PIPE)
            run("tar", "-C", into, "-x", "--keep-directory-symlink", stdin=pack.stdout)
        else:
            shutil.copy(full, into)


def build(work, base, dockerfile):
    stages, stage = {}, None
    for word, rest in instructions(dockerfile):
        print(f"  {word} {rest[:90]}{'…' if len(rest) > 90 else ''}", flush=True)
        if word == "FROM":
            match = re.fullmatch(r"(\S+)(?:\s+AS\s+(\w+))?", rest, re.I)
            former = stages.get(match.group(1)) if match else None
            if not former and (not match or match.group(1) != "debian:bookworm-slim"):
                raise ValueError(f"FROM {rest}: only debian:bookworm-slim and former stages are known here")
            name = match.group(2) or str(len(stages))
            stage = stages[name] = Stage(work, former.root if former else base, name)
            if former:
                stage.env, stage.workdir = dict(former.env), former.workdir
        elif word == "RUN":
            done = stage.run(["sh", "-c", rest], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"RUN failed ({done.returncode}):\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        elif word == "COPY":
            do_copy(stage, stages, rest)
        elif word == "ENV":
            stage.env.update(p.split("=", 1) for p in shlex.split(rest))
        elif word == "WORKDIR":
            stage.workdir = rest
            os.makedirs(stage.root + rest, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "HEALTHCHECK":
            stage.health = words(rest[rest.index("CMD") + 3:].strip())
        elif word == "ENTRYPOINT":
            stage.entrypoint = words(rest)
        elif word == "CMD":
            stage.command = words(rest)
        elif word == "STOPSIGNAL":
            stage.stop_signal = rest
        elif word not in ("EXPOSE", "LABEL", "VOLUME", "ARG"):
            raise ValueError(f"{word} is not an instruction that is known here")
    return stages, stage


def check_image(image):
    """Starts the image's command as its user, with no broker near, and asks its health check."""
    image.env["RABBITMQ_PASSWORD"] = "secret"
    done = image.run([*image.entrypoint, "check", *image.command[1:]], capture_output=True, text=True)
    yield "the built-in configuration passes meshgate check", done.returncode == 0, done.stdout + done.stderr
    done = image.run(["id", "-u"], capture_output=True, text=True)
    yield "it does not run as root", done.stdout.strip() not in ("", "0"), done.stdout
    done = image.run([*image.entrypoint, "plugins", "ls"], capture_output=True, text=True)
    yield "it finds its modules", all(w in done.stdout for w in ("mqtt", "amqp", "changed")), done.stdout
    log = tempfile.TemporaryFile("w+")
    child = subprocess.Popen(image.arguments([*image.entrypoint, *image.command]), env=image.env, stdout=log,
                             stderr=log, start_new_session=True)
    deadline = time.monotonic() + 10
    answer = None
    while time.monotonic() < deadline and child.poll() is None:
        answer = image.run(image.health, capture_output=True, text=True)
        if answer.stdout:
            break
        time.sleep(0.1)
    said = answer.stdout + answer.stderr if answer else ""
    # Its brokers are not there, so healthy it is not; but it runs and answers.
    yield "it runs, and its health check gets an answer", child.poll() is None and bool(said.strip()) \
        and answer.stdout != "", said
    child.terminate()
    try:
        status = child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        status = "none in 20 s"
    log.seek(0)
    yield "it ends with 0 on SIGTERM", status == 0, f"{status}\n{log.read()[-2000:]}"
    has_compiler = os.path.exists(f"{image.root}/usr/bin/gcc")
    yield "no compiler is left in it", not has_compiler, ""


def check_sdk(sdk):
    """A module of one's own is built in the stage for that."""
    script = ("meshgate new-plugin filter mine && meson setup /mine-build mine --prefix=/usr --libdir=lib"
              " && ninja -C /mine-build && meson install -C /mine-build && meshgate plugins ls")
    done = sdk.run(["sh", "-ec", script], capture_output=True, text=True)
    yield "the stage sdk builds a module", done.returncode == 0 and "/usr/lib/meshgate/mine.so" in done.stdout, \
        done.stdout + done.stderr


SERVICE_KEYS = {"image", "build", "environment", "volumes", "ports", "healthcheck", "restart", "read_only",
                "tmpfs", "cap_drop", "security_opt", "stop_grace_period", "depends_on", "command", "user"}


def check_compose(path):
    folder = os.path.dirname(path)
    with open(path, encoding="utf-8") as source:
        compose = yaml.safe_load(source)
    unknown = set(compose) - {"name", "services", "volumes", "networks"}
    yield "compose: top-level keys", not unknown, f"{unknown}"
    for name, service in compose["services"].items():
        unknown = set(service) - SERVICE_KEYS
        yield f"compose: keys of {name}", not unknown, f"{unknown}"
        yield f"compose: {name} has an image or a build", ("image" in service) != ("build" in service), ""
        missing = []
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not os.path.isfile(os.path.join(folder, source)):
                    missing.append(source)
            elif source not in compose.get("volumes", {}):
                missing.append(source)
        yield f"compose: volumes of {name} are there", not missing, f"{missing}"
        bad = [p for p in service.get("ports", []) if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", p)]
        yield f"compose: ports of {name} are on loopback", not bad, f"{bad}"
        if "build" in service:
            where = os.path.join(folder, service["build"]["context"], service["build"]["dockerfile"])
            yield "compose: the Dockerfile is there", os.path.isfile(where), where


def main():
    if os.getuid() != 0:
        sys.exit("dockerfile_run.py: needs root for chroot")
    work = tempfile.mkdtemp(prefix="meshgate-docker-")
    cache = os.path.join(os.environ.get("TMPDIR", "/tmp"), "meshgate-docker-cache")
    stages, passed, failed = {}, 0, 0

    def judge(results):
        nonlocal passed, failed
        for what, fine, text in results:
            print(f"{'ok  ' if fine else 'FAIL'} {what}" + ("" if fine else f"\n{text}"), flush=True)
            passed, failed = passed + bool(fine), failed + (not fine)

    try:
        judge(check_compose(os.path.join(ROOT, "docker", "docker-compose.yml")))
        try:
            stages, image = build(work, base_image(cache), os.path.join(ROOT, "docker", "Dockerfile"))
        except (RuntimeError, subprocess.CalledProcessError) as error:
            judge([("the Dockerfile's steps", False, str(error))])
        else:
            judge([("the Dockerfile's steps", True, "")])
            judge(check_sdk(stages["sdk"]))
            judge(check_image(image))
            print(f"the image's files: {image.size_mib()} MiB")
    finally:
        for name in [d for d in os.listdir(work) if d.startswith("stage-")]:
            for mount in reversed(MOUNTS):
                if os.path.ismount(f"{work}/{name}/{mount}"):
                    subprocess.run(["umount", f"{work}/{name}/{mount}"], check=False)
        if not any(os.path.ismount(f"{d}/dev") for d in glob.glob(work + "/stage-*")):
            shutil.rmtree(work, ignore_errors=True)
    print(f"docker: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
