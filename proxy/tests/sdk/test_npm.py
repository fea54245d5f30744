"""The official npm SDKs (proxy/tests/sdk-js) against the same simulator and gateway as the Python ones.

`make test` installs them there, as Node looks for packages beside the files that import them.
"""

import json
import os
import subprocess

import pytest
from conftest import KINDS, ROOT

pytestmark = pytest.mark.usefixtures("gateway_only")
HERE = ROOT / "proxy" / "tests" / "sdk-js"
MODULES = HERE / "node_modules"


@pytest.mark.skipif(not MODULES.is_dir(), reason="the npm SDKs are not installed; `make test` does it")
@pytest.mark.parametrize("suite", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_npm(server, suite):
    env = {"PATH": os.environ["PATH"], "SALLYPORT_URL": server.url, "SALLYPORT_KEY": server.key,
           "SALLYPORT_MODELS": json.dumps(list(KINDS))}
    node = MODULES / ".bin" / "node"
    done = subprocess.run([node, "--test", "--test-reporter=tap", suite], cwd=HERE, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # A suite that finds no tests succeeds too.
    assert done.stdout.count("\n    ok ") >= len(KINDS), done.stdout
