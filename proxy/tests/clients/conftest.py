"""Coding agents against the real binary. `make test-clients` installs them and sets SALLYPORT_CLIENTS to where they are.

Each agent runs in a home and a working directory of its own, sees nothing of the environment, and has no network but
the gateway's.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from gateway import WAYS, running

PATIENCE = 180


@pytest.fixture(scope="session")
def gateway():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-clients-"))
    directory.chmod(0o755)  # as root, the private Postgres runs as another user
    yield from running(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=WAYS)
def model(request):
    """The model that is asked for; its name says which kind of upstream answers."""
    return request.param


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def workdir(tmp_path):
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def run(home, workdir):
    """Runs an agent's command line to its end; gives its standard output."""
    bin_directory = pathlib.Path(os.environ["SALLYPORT_CLIENTS"]) / "node_modules" / ".bin"

    def run(command: list, env: dict) -> str:
        env = {"PATH": f"{bin_directory}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), **env}
        done = subprocess.run(command, cwd=workdir, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def metered(gateway):
    """Checks that a tool loop's calls are in the call log with tokens and cost; gives them."""

    def metered(model: str, before: int) -> list:
        # A count of the agent before may come into the log late; it has no usage.
        calls = [c for c in gateway.calls(model, before + 2)[before:] if c["surface"] != "count_tokens"]
        for call in calls:
            assert call["status"] == 200 and call["error_code"] is None, call
            assert call["usage"]["input"] > 1000 and call["usage"]["output"] > 0, call
            assert call["cost"]["nanos"] > 1_000_000, call
        return calls

    return metered
