"""The real binary with the simulator behind it, as the agents use it: one model for each way to an upstream.

The helpers for processes and ports are those of the SDK tests.
"""

import dataclasses
import importlib.util
import json
import pathlib
import subprocess
import time
import urllib.request

_sdk = pathlib.Path(__file__).resolve().parents[1] / "sdk" / "conftest.py"
_spec = importlib.util.spec_from_file_location("sallyport_sdk_helpers", _sdk)
helpers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(helpers)

ADMIN_TOKEN = "spa-client-tests-only-0123456789abcdef"
PATIENCE = 60.0

# The simulated models think before they answer, so that sealed thoughts must find their way back through the agent;
# the simulator refuses those that were changed. `echo`: what a tool gave comes back as the answer.
DIRECTIVES = ";reasoning=8;echo;reasoning_content"
# The upstreams are those of the SDK tests.
WAYS = {
    "to-anthropic": "claude-sim",
    "to-openai": "gpt-sim",
    "to-compatible": "vllm-sim",
    "to-azure": "azure-sim",
    "to-gemini": "gemini-3-sim",
    "to-vertex": "claude-vertex-sim",
    "to-converse": "anthropic.claude-converse-sim",
    "to-invoke": "anthropic.claude-invoke-sim",
}


@dataclasses.dataclass
class Gateway:
    """A running gateway."""

    url: str
    key: str
    admin: str

    def calls(self, model: str, at_least: int) -> list:
        """The logged calls for a model, oldest first; waits until there are so many."""
        deadline = time.monotonic() + PATIENCE
        while True:
            page = fetch(f"{self.admin}/api/calls?limit=1000", ADMIN_TOKEN)
            calls = [call for call in page["calls"] if call["model_asked"] == model]
            if len(calls) >= at_least:
                return calls[::-1]
            assert time.monotonic() < deadline, f"{len(calls)} of {at_least} calls are in the log: {calls}"
            time.sleep(0.05)


def fetch(url: str, token: str | None):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def running(directory: pathlib.Path):
    """Starts simulator and gateway; yields once, stops both afterwards."""
    simulator = helpers.spawn(
        [helpers.binary("SALLYPORT_SIM_BIN", "sallyport-sim"), "--listen", "127.0.0.1:0", "--auth", "sk-upstream",
         "--aws-secret", helpers.AWS_SECRET],
        directory / "simulator.log", stdout=subprocess.PIPE)
    try:
        line = simulator.stdout.readline().decode()
        assert "listening on http://" in line, (line, (directory / "simulator.log").read_text())
        yield from _gateway(directory, line.split("listening on ")[1].strip())
    finally:
        helpers.stop(simulator)


def _gateway(directory: pathlib.Path, upstream: str):
    held = []
    port, admin = helpers.reserve_port(held), helpers.reserve_port(held)
    overlay = directory / "clients.yaml"
    overlay.write_text(json.dumps({
        "data_dir": str(directory / "data"),
        "server": {"listen": [f"127.0.0.1:{port}"]},
        "admin": {"listen": f"127.0.0.1:{admin}", "token": ADMIN_TOKEN, "rate_limit": {"address": 0, "account": 0}},
        # A refusal of the simulator's shall show, not be tried again.
        "upstream": {"allow_networks": ["127.0.0.0/8"], "max_attempts": 1},
        # Codex brings OpenAI's own web search along, which no compatible server has: it is left out and named.
        "translation": {"lossy": "allow"},
        "providers": helpers.providers(upstream, {model: helpers.KINDS[model] for model in WAYS.values()}, "sk-upstream"),
        "models": [{"name": name, "routes": [{"provider": model, "model": model + DIRECTIVES}]}
                   for name, model in WAYS.items()],
        "prices": {"models": {model + "*": {"input": 1, "output": 2} for model in WAYS.values()}},
    }), encoding="utf-8")
    sallyport = helpers.binary("SALLYPORT_BIN", "sallyport")
    files = ["-c", helpers.ROOT / "config" / "base.yaml", "-c", overlay]
    log = directory / "sallyport.log"
    process = helpers.spawn([sallyport, "run", *files], log, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not helpers.ready(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        made = subprocess.run([sallyport, "keys", "create", *files, "--quiet", "--name", "agents", "--surfaces", "*",
                               "--models", "*"], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        key = made.stdout.strip()
        while helpers.status(url + "/v1/models", key) != 200:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Gateway(url, key, f"http://127.0.0.1:{admin}")
    finally:
        helpers.stop(process)
        print(log.read_text())
