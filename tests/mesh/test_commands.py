# SPDX-License-Identifier: Apache-2.0
"""meshgate's commands as a person would type them."""
import glob
import json
import os
import subprocess
import sys

from kit.config import bridge
from kit.suite import test
from kit.waiting import require, until

CONFIG = """
routes:
  hot:
    from: {{ bridge: a, topic: "plant/{{line}}/{{machine}}" }}
    steps:
      - filter: {{ type: changed, value: temperature }}
    to: {{ bridge: b, topic: "hot/{{line}}/{{machine}}" }}
    delivery: {{ guarantee: {guarantee} }}
"""


def gateway(rig, guarantee="best-effort", more="", start=False):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    return rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b)
                       + CONFIG.format(guarantee=guarantee) + more, start=start)


@test
def check_says_ok(rig):
    done = gateway(rig).check()
    require("1 route" in done.stdout + done.stderr, done.stdout + done.stderr)


@test
def check_refuses_what_cannot_be_promised(rig):
    gw = gateway(rig, guarantee="direct")
    done = gw.command("check", "-c", gw.config, check=False)
    text = done.stdout + done.stderr
    require(done.returncode == 1, f"exit {done.returncode}\n{text}")
    require("best-effort" in text and f"{os.path.basename(gw.config)}:" in text,
            f"reason, cure and place:\n{text}")


@test
def check_names_a_misspelt_key(rig):
    gw = gateway(rig, more="    delivry: { guarantee: direct }\n")
    done = gw.command("check", "-c", gw.config, check=False)
    text = done.stdout + done.stderr
    require(done.returncode == 1 and "delivry" in text and "delivery" in text, text)


@test
def run_refuses_a_wrong_configuration(rig):
    gw = gateway(rig, more="  hot: {}\n")
    done = gw.command("run", "-c", gw.config, check=False)
    require(done.returncode != 0, f"exit {done.returncode}")
    missing = gw.command("run", "-c", gw.config + ".none", check=False)
    require(missing.returncode != 0 and missing.stderr, f"{missing}")


@test
def explain_says_which_route_and_why_not(rig):
    gw = gateway(rig)
    payload = f"{rig.folder}/p.json"
    with open(payload, "w", encoding="utf-8") as out:
        json.dump({"temperature": 21}, out)
    taken = gw.command("explain", "plant/a/m1", "-c", gw.config, "--payload", payload)
    require("hot" in taken.stdout and "hot/a/m1" in taken.stdout, taken.stdout)
    other = gw.command("explain", "office/door", "-c", gw.config, check=False)
    require("hot" in other.stdout + other.stderr, f"says why not:\n{other.stdout}{other.stderr}")


@test
def ledger_and_status_of_a_running_gateway(rig):
    gw = gateway(rig, start=True)
    gw.wait_up()
    out, pub = rig.subscriber(rig.brokers[1].port, "hot/#"), rig.publisher(rig.brokers[0].port)
    pub.publish("plant/a/m1", b'{"temperature": 1}')
    out.wait(1)
    until(lambda: gw.route()["in_flight"] == 0, "it settles")
    text = gw.command("ledger", "-c", gw.config).stdout
    require("hot" in text, text)
    gw.command("ledger", "-c", gw.config, "--check")
    status = gw.status()
    require(status.returncode == 0, f"{status}")
    json.loads(status.stdout)
    gw.term()
    gone = gw.command("ledger", "-c", gw.config, check=False)
    require(gone.returncode != 0 and gone.stderr, f"says that nobody answers: {gone}")
    require("gateway ready" in gw.log(), "the log has its first line")


@test
def plugins_and_schema(rig):
    gw = gateway(rig)
    listed = gw.command("plugins", "ls").stdout
    for word in ("mqtt", "amqp", "local", "file", "changed", "lookup", "map"):
        require(word in listed, f"{word} is not in:\n{listed}")
    described = gw.command("plugins", "describe", "mqtt").stdout
    require("keep_alive" in described, described)
    schema = json.loads(gw.command("schema").stdout)
    require("properties" in schema or "$defs" in schema, f"{list(schema)}")


@test
def a_second_gateway_on_the_same_control_socket_is_refused(rig):
    gw = gateway(rig, start=True)
    done = gw.command("run", "-c", gw.config, check=False)
    require(done.returncode != 0, "the second one ends")
    require(gw.ledger()["gateway"] == "gw", "the first one still answers")


@test
def logs_are_logfmt_or_json(rig):
    a, b = rig.mosquitto("a"), rig.mosquitto("b")
    gw = rig.gateway("bridges:\n" + bridge("a", a) + bridge("b", b) + CONFIG.format(guarantee="best-effort"),
                     start=False)
    with open(gw.config, encoding="utf-8") as text:
        config = text.read()
    with open(gw.config, "w", encoding="utf-8") as out:
        out.write(config.replace("level: info", "level: info, format: json"))
    gw.start()
    gw.wait_up()
    gw.term()
    for line in gw.log().splitlines():
        json.loads(line)


@test
def every_example_passes_check(rig):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    examples = sorted(glob.glob(f"{root}/config/*.yaml") + glob.glob(f"{root}/docker/meshgate/*.yaml"))
    require(len(examples) >= 7, f"{examples}")
    gw = gateway(rig)
    rig.shared.build.env.update(
        DEMO_FOLDER=rig.folder, DEMO_PLANT="mqtt://127.0.0.1:1", DEMO_OFFICE="mqtt://127.0.0.1:2",
        DEMO_BACKBONE="amqp://127.0.0.1:3", RMQ_PASSWORD="x", RABBITMQ_PASSWORD="x")
    for example in examples:
        gw.command("check", "-c", example)


@test
def files_without_a_broker(rig):
    """config/files.yaml's idea: lines in, changes out, through the local bridge."""
    source, sink = f"{rig.folder}/in.ndjson", f"{rig.folder}/out.ndjson"
    with open(source, "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"temperature": t}) + "\n" for t in (20, 20.1, 30, 30.2, 40))
    gw = rig.gateway(f"""
bridges:
  disk: {{ type: file, folder: {rig.folder} }}
  bus: {{ type: local }}
routes:
  read:
    from: {{ bridge: disk, topic: lab, path: in.ndjson, follow: true, format: lines }}
    steps:
      - filter: {{ type: changed, value: temperature, deadband: 0.5 }}
    to: {{ bridge: bus, topic: changed }}
    delivery: {{ guarantee: best-effort }}
  write:
    from: {{ bridge: bus, topic: "#" }}
    to: {{ bridge: disk, address: out.ndjson, format: lines }}
    delivery: {{ guarantee: best-effort }}
""")
    until(lambda: gw.route("write")["delivered"] == 3, lambda: f"{gw.ledger()['routes']}")
    gw.settled()
    with open(sink, encoding="utf-8") as written:
        got = [json.loads(line)["temperature"] for line in written]
    require(got == [20, 30, 40], f"{got}")


@test
def the_demo_ends_well(rig):
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, f"{here}/demo.py", "--build", rig.shared.build.folder, "--seconds", "6"],
                          capture_output=True, text=True, timeout=120, check=False)
    require(done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    require("the ledger balances" in done.stdout, done.stdout[-3000:])
