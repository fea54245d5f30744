"""Runs the upstream simulator and, in front of it, the real binary with a private Postgres.

SALLYPORT_BIN and SALLYPORT_SIM_BIN name the binaries (`make test` sets them). SALLYPORT_SDK_DIRECT=1 leaves the gateway
out: the tests then show that the simulator is a good stand-in, those about the gateway's own doings are skipped.
"""

import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import anthropic
import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DIRECT = os.environ.get("SALLYPORT_SDK_DIRECT") == "1"
UPSTREAM_KEY = "sk-upstream-secret"
ADMIN_TOKEN = "spa-sdk-test-token-0123456789"
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

# One model for each way to an upstream: its provider's kind, where the API begins at the simulator, and the kind's own
# settings. A new kind is one line here. `access_key`: Signature Version 4 instead of an API key.
VERTEX = {"project": "p", "location": "europe-west4"}
KINDS = {
    "gpt-sim": ("openai", "/v1", {}),
    "claude-sim": ("anthropic", "/v1", {}),
    "vllm-sim": ("openai-compatible", "/v1", {}),
    "azure-sim": ("azure-openai", "", {}),
    "azure-dated-sim": ("azure-openai", "", {"api_version": "2024-10-21"}),
    "gemini-3-sim": ("gemini", "/v1beta", {}),
    "gemini-3-vertex-sim": ("vertex", "/v1", VERTEX),
    "claude-vertex-sim": ("vertex", "/v1", VERTEX),
    "anthropic.claude-converse-sim": ("bedrock", "", {"region": "us-east-1", "api": "converse", "access_key": True}),
    "anthropic.claude-invoke-sim": ("bedrock", "", {"region": "us-east-1", "api": "invoke", "access_key": True}),
    "amazon.nova-sim": ("bedrock", "", {"region": "us-east-1"}),
}


def providers(simulator: str, kinds: dict, key: str = UPSTREAM_KEY) -> list:
    """The providers of a configuration, named by their models."""
    found = []
    for model, (kind, base, settings) in kinds.items():
        settings, provider = dict(settings), {"name": model, "kind": kind, "base_url": simulator + base}
        if settings.pop("access_key", False):
            settings |= {"access_key_id": key, "secret_access_key": AWS_SECRET}
        else:
            provider["api_key"] = key
        found.append(provider | ({kind.replace("-", "_"): settings} if settings else {}))
    return found
PATIENCE = 60.0


@dataclasses.dataclass
class Server:
    """What the SDKs talk to."""

    url: str
    key: str
    # May use only models whose names begin with allowed-, and not the surface of embeddings.
    narrow_key: str
    direct: bool
    # The admin service, and its bootstrap token.
    admin: str = ""
    admin_token: str = ""


def binary(variable: str, name: str) -> str:
    path = os.environ.get(variable) or shutil.which(name) or str(ROOT / "target" / "debug" / name)
    if not os.access(path, os.X_OK):
        pytest.exit(f"{name} is not built; `make test` builds it (or set {variable})", returncode=4)
    return path


def reserve_port(held: list) -> int:
    """A free port below those of outgoing connections, held by a lock file against other tests."""
    locks = pathlib.Path(tempfile.gettempdir()) / "sallyport-test-ports"
    locks.mkdir(exist_ok=True)
    for port in range(12_000 + os.getpid() % 9_000, 30_000):
        lock = open(locks / str(port), "a", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.create_server(("127.0.0.1", port)):
                pass
        except OSError:
            lock.close()
            continue
        held.append(lock)
        return port
    raise RuntimeError("no free port")


def spawn(command: list, log: pathlib.Path, **options) -> subprocess.Popen:
    """Starts a process that ends when this one does, whatever happens to it."""
    bound = ["setpriv", "--pdeathsig", "TERM", *map(str, command)]
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "USER")}
    return subprocess.Popen(bound, stderr=open(log, "wb"), stdin=subprocess.DEVNULL, env=env,
                            start_new_session=True, **options)


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-sdk-"))
    path.chmod(0o755)  # as root, the private Postgres runs as another user
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def simulator(directory):
    key = "sp-direct" if DIRECT else UPSTREAM_KEY
    command = [binary("SALLYPORT_SIM_BIN", "sallyport-sim"), "--listen", "127.0.0.1:0", "--auth", key,
               "--aws-secret", AWS_SECRET]
    process = spawn(command, directory / "simulator.log", stdout=subprocess.PIPE)
    line = process.stdout.readline().decode()
    assert "listening on http://" in line, (line, (directory / "simulator.log").read_text())
    yield line.split("listening on ")[1].strip()
    stop(process)


@pytest.fixture(scope="session")
def server(directory, simulator):
    if DIRECT:
        yield Server(simulator, "sp-direct", "sp-direct", True)
        return
    held = []
    port, admin = reserve_port(held), reserve_port(held)
    overlay = directory / "sdk.yaml"
    overlay.write_text(json.dumps({
        "data_dir": str(directory / "data"),
        "server": {"listen": [f"127.0.0.1:{port}"]},
        "admin": {"listen": f"127.0.0.1:{admin}", "token": ADMIN_TOKEN, "rate_limit": {"address": 0, "account": 0}},
        # The simulator's errors shall reach the SDK, which has retries of its own.
        "upstream": {"allow_networks": ["127.0.0.0/8"], "max_attempts": 1},
        "providers": providers(simulator, KINDS),
        "models": [{"name": name, "routes": [{"provider": to}]} for name, to in [
            *[(name, to) for to in KINDS for name in (to, to + ";*")],
            ("allowed-gpt", "gpt-sim"), ("allowed-claude", "claude-sim"),
        ]] + [{"name": "my-alias", "routes": [{"provider": "gpt-sim", "model": "gpt-sim"}]}],
    }), encoding="utf-8")
    sallyport = binary("SALLYPORT_BIN", "sallyport")
    files = ["-c", ROOT / "config" / "base.yaml", "-c", overlay]
    log = directory / "sallyport.log"
    process = spawn([sallyport, "run", *files], log, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE
    while not ready(url):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)

    def make_key(*options: str) -> str:
        made = subprocess.run([sallyport, "keys", "create", *files, "--quiet", "--name", "sdk", *options],
                              capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    key = make_key("--surfaces", "*", "--models", "*")
    narrow = make_key("--surfaces", "chat,messages,responses,generate,models", "--models", "allowed-*")
    for secret in (key, narrow):
        while status(url + "/v1/models", secret) != 200:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    yield Server(url, key, narrow, False, f"http://127.0.0.1:{admin}", ADMIN_TOKEN)
    stop(process)
    print(log.read_text())


def ready(url: str) -> bool:
    try:
        return status(url + "/health/ready", None) == 200
    except OSError:
        return False


def status(url: str, key: str | None) -> int:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def gateway_only(server):
    if server.direct:
        pytest.skip("about the gateway's own doings")


@pytest.fixture
def oai(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
async def aoai(server):
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key=server.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def ant(server):
    with anthropic.Anthropic(base_url=server.url, api_key=server.key, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
async def aant(server):
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key=server.key, max_retries=0, timeout=30) as client:
        yield client
