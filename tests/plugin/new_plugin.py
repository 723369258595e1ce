#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `meshgate new-plugin` writes is built with the installed SDK alone, and carries events in a gateway.

new_plugin.py BUILD_ROOT SANITIZERS"""
import json
import re
import socket
import sys
from pathlib import Path

from sdk_kit import Gateway, Sdk, check, done, text_of

sdk = Sdk(sys.argv[1], sys.argv[2])


def project(kind, name):
    """The folder of a new project, built and tested."""
    folder = sdk.work / name
    sdk.must(f"new-plugin {kind}", "meshgate", "new-plugin", kind, name)
    written = sorted(p.name for p in folder.iterdir())
    ident = name.replace("-", "_")
    check(f"{kind}: its files", written == sorted([".gitignore", "README.md", "meson.build", f"{ident}.c",
                                                   f"test_{ident}.c"]), written)
    for path in folder.iterdir():
        text = path.read_text()
        check(f"{path.name} is about this module", "my-plugin" not in text and "my_plugin" not in text
              and "SPDX" not in text and text.strip(), text)
    if sdk.build(kind, folder):
        sdk.exports(kind, folder / "build" / f"{name}.so")
        code, table = sdk.run("meshgate", "plugins", "describe", name, "--markdown", "-m", "build", cwd=folder)
        check(f"{kind}: README has its options", code == 0 and table in (folder / "README.md").read_text(), table)
        sdk.must(f"{kind} is installed", "meson", "install", "-C", "build", cwd=folder)
        code, out = sdk.run("meshgate", "plugins", "ls")
        check(f"{kind} is found beside the gateway's own", code == 0 and name in out, out)
    return folder


def gateway(folder, rest):
    return Gateway(sdk, folder, f"gateway: {{ name: try, control: {folder}/control.sock }}\n{rest}")


def route(folder, source, step, sink):
    return gateway(folder, f"""
bridges:
  disk: {{ type: file, folder: {folder} }}
routes:
  there:
    from: {{ bridge: disk, path: in, {source} }}
    steps: [ {step} ]
    to: {{ bridge: disk, address: out, {sink} }}
    delivery: {{ guarantee: best-effort }}
""")


def filter_drops_and_passes():
    folder = project("filter", "only-alarms")
    (folder / "in").write_text("alarm 1\nall is well\nalarm 2\n")
    running = route(folder, "topic: lab, format: lines", "{ filter: { type: only-alarms, contains: alarm } }",
                    "format: lines")
    running.wait("the filter passes two of three", lambda: text_of(folder / "out") == "alarm 1\nalarm 2\n")
    running.stop()


def translator_rewrites():
    folder = project("translator", "say-the-line")
    (folder / "in").write_text('{"address":"plant/a","payload":"21.5"}\n{"address":"plant/b","payload":"22"}\n')
    running = route(folder, 'topic: "plant/{line}", format: ndjson',
                    '{ translate: { type: say-the-line, prefix: "{line}: " } }', "format: lines")
    running.wait("the translator puts its prefix", lambda: text_of(folder / "out") == "a: 21.5\nb: 22\n")
    running.stop()


def enricher_waits_and_adds():
    folder = project("enricher", "shift")
    (folder / "in").write_text("21.5\n")
    (folder / "shift.txt").write_text("night\n")
    running = route(folder, "topic: lab, format: lines",
                    "{ enrich: { type: shift, file: shift.txt, into: shift } }", "format: ndjson")
    running.wait("the enricher adds a property", lambda: text_of(folder / "out").endswith("\n")
                 and json.loads(text_of(folder / "out"))["properties"] == {"shift": "night"})
    running.stop()


def bridge_carries_both_ways():
    folder = project("bridge", "datagrams")
    (folder / "in").write_text("21.5\n22\n")
    running = gateway(folder, f"""
bridges:
  disk: {{ type: file, folder: {folder} }}
  sockets: {{ type: datagrams, retry: 20ms }}
routes:
  away:
    from: {{ bridge: disk, path: in, topic: lab, format: lines }}
    to: {{ bridge: sockets, address: away, path: {folder}/away.sock }}
    delivery: {{ guarantee: best-effort }}
  back:
    from: {{ bridge: sockets, address: lab/back, path: {folder}/back.sock }}
    to: {{ bridge: disk, address: out, format: ndjson }}
    delivery: {{ guarantee: best-effort }}
""")
    running.wait("the source has made its socket", (folder / "back.sock").exists)
    # Only now does somebody read what the sink sends: it has to try again.
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    peer.settimeout(60)
    peer.bind(str(folder / "away.sock"))
    check("the sink sends in order", [peer.recv(100) for _ in range(2)] == [b"21.5", b"22"])
    peer.sendto(b"23", str(folder / "back.sock"))
    running.wait("the source brings it in", lambda: text_of(folder / "out").endswith("\n"))
    check("under its address", json.loads(text_of(folder / "out") or "{}").get("address") == "lab/back",
          text_of(folder / "out"))
    peer.close()
    running.stop()
    check("the socket is gone", not (folder / "back.sock").exists())


def refusals():
    (sdk.work / "full").mkdir()
    (sdk.work / "full" / "notes").write_text("mine")
    (sdk.work / "file").write_text("mine")
    for words, code, part in (
            ([], 2, "say what kind of module, and its name"),
            (["filter"], 2, "say what kind of module, and its name"),
            (["sink", "x"], 2, "KIND is bridge, filter, enricher or translator, not sink"),
            (["filter", "My-filter"], 2, "a name begins with a to z"),
            (["filter", "my_filter"], 2, "a name begins with a to z"),
            (["filter", "../x"], 2, "a name begins with a to z"),
            (["filter", "a" * 65], 2, "at most 64 bytes"),
            (["filter", "x", "y"], 2, "too many words: y"),
            (["filter", "x", "--dir"], 2, "--dir needs a folder"),
            (["filter", "x", "--force"], 2, "unknown option --force"),
            (["filter", "full"], 1, "full is there already, and not empty"),
            (["filter", "x", "--dir", "full"], 1, "full is there already, and not empty"),
            (["filter", "file"], 1, "file: Not a directory"),
            (["filter", "x", "--dir", "no/where"], 1, "no/where: No such file or directory")):
        got, out = sdk.run("meshgate", "new-plugin", *words)
        check(f"new-plugin {' '.join(words)}", got == code and part in out, f"exit {got}\n{out}")
    check("nothing was written over", [p.name for p in (sdk.work / "full").iterdir()] == ["notes"])
    (sdk.work / "empty").mkdir()
    sdk.must("an empty folder is taken", "meshgate", "new-plugin", "filter", "x", "--dir", "empty")
    check("and filled", (sdk.work / "empty" / "x.c").exists())
    sdk.must("the longest name fits", "meshgate", "new-plugin", "bridge", "a" * 64)


def what_is_installed():
    header = Path(sdk.pkg_config("--variable=includedir", "meshgate-plugin"), "meshgate", "plugin.h").read_text()
    numbers = re.findall(r"#define MG_ABI_(?:MAJOR|MINOR) (\d+)u", header)
    check("pkg-config knows the ABI", len(numbers) == 2
          and sdk.pkg_config("--variable=abi_version", "meshgate-plugin") == ".".join(numbers), numbers)
    (sdk.work / "header.cc").write_text("#include <meshgate/plugin.h>\nstatic const mg_abi here = MG_ABI_HERE;\n"
                                        "int main() { return here.major == 0; }\n")
    (sdk.work / "header.c").write_text((sdk.work / "header.cc").read_text().replace("const mg", "const struct mg")
                                       .replace("main()", "main(void)"))
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    include = sdk.pkg_config("--cflags", "meshgate-plugin")
    for standard in ("c++17", "c++20"):
        sdk.must(f"the header is {standard}", "g++", f"-std={standard}", *strict, include, "header.cc")
    sdk.must("the header is C11", "gcc", "-std=c11", *strict, include, "header.c")


what_is_installed()
refusals()
filter_drops_and_passes()
translator_rewrites()
enricher_waits_and_adds()
bridge_carries_both_ways()
done("new-plugin")
