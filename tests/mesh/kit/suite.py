# SPDX-License-Identifier: Apache-2.0
"""The list of tests that @test fills."""
import collections
import os
import sys

Test = collections.namedtuple("Test", "suite name run")
TESTS = []


def test(function):
    """Registers a test; its suite is its file's name."""
    module = os.path.basename(sys.modules[function.__module__].__file__)
    TESTS.append(Test(module[len("test_"):-len(".py")], function.__name__, function))
    return function


def cases(**named):
    """Registers one test for each case: name=arguments (a tuple)."""
    def register(function):
        for name, arguments in named.items():
            def run(rig, arguments=arguments):
                return function(rig, *arguments)
            run.__name__ = f"{function.__name__}_{name}"
            run.__module__ = function.__module__
            test(run)
        return function
    return register
