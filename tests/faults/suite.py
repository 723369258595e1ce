# SPDX-License-Identifier: Apache-2.0
"""The list of scenarios that @scenario fills, and the options of a run."""
import collections
import dataclasses
import os
import sys

Scenario = collections.namedtuple("Scenario", "name run share least needs slow doc")
SCENARIOS = []


@dataclasses.dataclass
class Options:
    seed: int = 1
    cycles: int = 100  # kills of the gateway, over all paths together
    minutes: float = 1
    build: str = "build"
    tools: str = ""  # the build with the load tools; default: build
    guarantee: str = "stored"
    sync: str = "always"
    events: str = ""  # "quick", "" or "big": how many are stored while a sink is away
    keep: bool = False


def scenario(share=0.0, least=0, needs="", slow=False):
    """Registers a scenario; its name is its file's and its own.  share: its part of the run's
    cycles, at least `least`.  needs: "stored", where another guarantee has nothing to prove.  slow: left out by
    --quick."""
    def register(function):
        module = os.path.basename(sys.modules[function.__module__].__file__)
        SCENARIOS.append(Scenario(f"{module[len('do_'):-len('.py')]}.{function.__name__}", function, share,
                                  least, needs, slow, (function.__doc__ or "").strip()))
        return function
    return register


def chosen(words, quick=False):
    """Those with one of the words in their name, or all."""
    if words:
        return [s for s in SCENARIOS if any(word in s.name for word in words)]
    return [s for s in SCENARIOS if not (quick and s.slow)]
