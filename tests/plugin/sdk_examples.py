#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The modules of docs/examples, in C++ and Rust, are built with the installed SDK alone, and carry events.

sdk_examples.py SOURCE_ROOT BUILD_ROOT SANITIZERS"""
import re
import shutil
import sys
from pathlib import Path

from sdk_kit import Gateway, Sdk, check, done, text_of

examples = Path(sys.argv[1]) / "docs" / "examples"
sdk = Sdk(sys.argv[2], sys.argv[3])


def copy(name):
    return Path(shutil.copytree(examples / name, sdk.work / name,
                                ignore=shutil.ignore_patterns("build*", "target", "Cargo.lock")))


def readme_has_the_options(folder, name, modules):
    code, table = sdk.run("meshgate", "plugins", "describe", name, "--markdown", "-m", modules)
    check(f"{name}: README has its options", code == 0 and table in (folder / "README.md").read_text(), table)


def carries(folder, modules, step, given, expected):
    (folder / "in").write_text(given)
    running = Gateway(sdk, folder, f"""
gateway: {{ name: try, control: {folder}/control.sock, modules: [ {modules} ] }}
bridges:
  disk: {{ type: file, folder: {folder} }}
routes:
  there:
    from: {{ bridge: disk, path: in, topic: lab, format: lines }}
    steps: [ {step} ]
    to: {{ bridge: disk, address: out, format: lines }}
    delivery: {{ guarantee: best-effort }}
""")
    running.wait(f"{step} carries events", lambda: text_of(folder / "out") == expected)
    running.stop()


def cpp():
    folder = copy("plugin-cpp")
    if sdk.build("split, in C++", folder):
        modules = folder / "build"
        sdk.exports("split", modules / "split.so")
        readme_has_the_options(folder, "split", modules)
        carries(folder, modules, '{ translate: { type: split, at: ";" } }', "a;b;;c\nd\n", "a\nb\nc\nd\n")


def rust():
    folder = copy("plugin-rust")
    if not check("cargo is here", shutil.which("cargo"), "install rustc and cargo: ./dev test module does"):
        return
    # A toolchain of one's own is found by HOME; nothing is fetched in any case.
    code, out = sdk.run("cargo", "test", "--offline", cwd=folder)
    count = re.search(r"test result: ok\. (\d+) passed", out)
    check("mask, in Rust, passes its own tests, and its structs are the header's",
          code == 0 and count and int(count.group(1)) >= 3, out)
    check("and compiles without a warning", "warning" not in out, out)
    if not sdk.must("mask is built", "cargo", "build", "--release", "--offline", cwd=folder):
        return
    modules = folder / "target" / "release"
    sdk.exports("mask", modules / "libmask.so")
    readme_has_the_options(folder, "mask", modules)
    carries(folder, modules, '{ translate: { type: mask, with: "*" } }', "21.5 C\nnone\n", "**.* C\nnone\n")
    flags = sdk.pkg_config("--cflags", "--libs", "meshgate-plugin-kit").split()
    sanitize = [] if sdk.sanitize == "none" else [f"-fsanitize={sdk.sanitize}"]
    if sdk.must("its test under the fake host is built", "cc", "-Wall", "-Werror", "test_mask.c", *sanitize, *flags,
                "-o", "test_mask", cwd=folder):
        sdk.must("and passes", "./test_mask", modules / "libmask.so", cwd=folder)


cpp()
rust()
done("sdk examples")
