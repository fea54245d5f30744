"""The admin API keeps its contract: schemathesis sends what its OpenAPI document allows, and what it forbids, to the real
service, and each answer must be one that the document describes.

What schemathesis is told is in `settings`. Two of its checks are left out:
- positive_data_acceptance: a schema does not say everything that a value must be (a team that exists, a role that the
  caller covers, an address that may be called), so that what fits the schema may still be refused, in a problem document.
- use_after_free and ensure_resource_availability need chains of calls (links), which the document has none of.
object_level_authorization needs a second caller; who may do what to whose things is tested in Rust, for every route.
"""

import collections
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import DIRECT, PATIENCE, ROOT, UPSTREAM_KEY, binary, reserve_port, spawn, status, stop
from openapi_spec_validator import OpenAPIV31SpecValidator

TOKEN = "spa-contract-token-0123456789"

pytestmark = pytest.mark.skipif(DIRECT, reason="about the gateway's own doings")

# What answers nothing but problems to the bearer of the bootstrap token, and why.
NEVER_WELL = {
    # It has no account and no session of its own.
    "GET /api/me/passkeys", "POST /api/me/passkeys/begin", "POST /api/me/passkeys/finish",
    "PATCH /api/me/passkeys/{id}", "DELETE /api/me/passkeys/{id}",
    "POST /api/me/totp", "POST /api/me/totp/confirm", "DELETE /api/me/totp",
    "GET /api/me/recovery_codes", "POST /api/me/recovery_codes", "PUT /api/me/password",
    "GET /api/sessions", "DELETE /api/sessions", "DELETE /api/sessions/{id}", "DELETE /api/session",
    # They need a password that is right, a cookie, a passkey, a secret that waits.
    "POST /api/session", "POST /api/session/refresh", "POST /api/session/passkey/finish",
    "POST /api/keys/{id}/secret",
}


@dataclasses.dataclass
class Admin:
    """The admin service."""

    url: str
    gateway: str
    log: pathlib.Path

    def send(self, method: str, path: str, body=None):
        """The JSON of its answer."""
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


@pytest.fixture(scope="module")
def admin(directory, simulator):
    held, home = [], directory / "contract"
    home.mkdir(mode=0o755)
    port, own = reserve_port(held), reserve_port(held)
    overlay = home / "contract.yaml"
    overlay.write_text(json.dumps({
        "data_dir": str(home / "data"),
        "server": {"listen": [f"127.0.0.1:{port}"]},
        "admin": {"listen": f"127.0.0.1:{own}", "token": TOKEN},
        "upstream": {"allow_networks": ["127.0.0.0/8"]},
        "providers": [{"name": "filed", "kind": "openai", "base_url": simulator + "/v1", "api_key": UPSTREAM_KEY}],
        "models": [{"name": "gpt-sim", "routes": [{"provider": "filed"}]}],
    }), encoding="utf-8")
    log = home / "sallyport.log"
    command = [binary("SALLYPORT_BIN", "sallyport"), "run", "-c", ROOT / "config" / "base.yaml", "-c", overlay]
    process = spawn(command, log, stdout=subprocess.DEVNULL)
    url, deadline = f"http://127.0.0.1:{own}", time.monotonic() + PATIENCE
    while not well(url):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    yield Admin(url, f"http://127.0.0.1:{port}", log)
    stop(process)


def well(url: str) -> bool:
    try:
        return status(url + "/api/health", TOKEN) == 200
    except OSError:
        return False


def things(admin: Admin) -> dict:
    """Names of things that there are: their values, by the place in a path that they fill."""
    user = admin.send("POST", "/api/users", {"email": "ada@example.com", "name": "Ada", "roles": [{"role": "viewer"}]})
    team = admin.send("POST", "/api/teams", {"name": "contract"})
    account = admin.send("POST", "/api/service_accounts", {"name": "contract", "team": team["id"]})
    admin.send("PUT", f"/api/teams/{team['id']}/members/{user['id']}", {"role": "member"})
    admin.send("POST", "/api/roles", {"name": "contract", "grants": [{"scope": "all", "permissions": ["keys.read"]}]})
    kept = {"name": "kept", "kind": "bedrock", "bedrock": {"region": "us-east-1", "profile": "none"}}
    admin.send("POST", "/api/providers", kept | {"headers": {"x-team": "a"}})
    price = {"input": 1, "output": 2, "long_prompt": {"above": 1000, "input": 2}}
    admin.send("POST", "/api/models", {"name": "kept", "routes": [{"provider": "kept"}], "price": price})
    admin.send("PUT", "/api/settings/upstream.backoff", {"value": "200ms"})
    key = {"name": "contract", "user": user["id"], "surfaces": ["chat"], "models": ["gpt-*"]}
    made = [admin.send("POST", "/api/keys", key) for _ in range(3)]
    return {
        "/api/users/{id}": [user["id"]],
        "/api/teams/{id}": [team["id"]],
        "{user_id}": [user["id"]],
        "/api/service_accounts/{id}": [account["id"]],
        "/api/keys/{id}": [m["key"]["id"] for m in made],
        "/api/roles/{name}": ["contract", "viewer"],
        "/api/providers/{name}": ["kept", "filed"],
        "/api/models/{name}": ["kept", "gpt-sim"],
        "/api/calls/{id}": [call(admin, made[0]["secret"])],
        "/api/settings/{name}": [s["name"] for s in admin.send("GET", "/api/settings")["items"]],
    }


def call(admin: Admin, secret: str) -> str:
    """The id of a call that is in the log."""
    body = json.dumps({"model": "gpt-sim", "messages": [{"role": "user", "content": "hello"}]}).encode()
    deadline = time.monotonic() + PATIENCE
    # The gateway hears of a new key a moment later.
    while status(admin.gateway + "/v1/models", secret) != 200:
        assert time.monotonic() < deadline, admin.log.read_text()
        time.sleep(0.05)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(admin.gateway + "/v1/chat/completions", body, headers)) as answer:
        answer.read()
    while not (calls := admin.send("GET", "/api/calls")["calls"]):
        assert time.monotonic() < deadline, admin.log.read_text()
        time.sleep(0.05)
    return calls[0]["id"]


def answered(report: pathlib.Path) -> dict:
    """How often each operation answered with each status."""
    found = collections.defaultdict(collections.Counter)
    with report.open(encoding="utf-8") as lines:
        for line in lines:
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for case, sent in recorder.get("interactions", {}).items():
                if sent["response"]:
                    found[recorder["label"]][sent["response"]["status_code"]] += 1
    return found


def settings(document: dict, there: dict) -> str:
    """What schemathesis is told (schemathesis.toml). JSON's texts, numbers and lists are TOML's as well."""
    lines = [
        "seed = 7",
        "continue-on-failure = true",
        'headers = { Authorization = "Bearer %s" }' % TOKEN,
        "[generation]",
        "max-examples = 30",
        "no-shrink = true",
        "deterministic = true",
        'database = "none"',
        "[phases.stateful]",
        "enabled = false",
        "[checks]",
        "positive_data_acceptance.enabled = false",
        "use_after_free.enabled = false",
        "ensure_resource_availability.enabled = false",
        "object_level_authorization.enabled = false",
        # 412 as well: what If-Match says is looked at before the body. No 5xx: a bad request is not our fault.
        "negative_data_rejection.expected-statuses = "
        "[400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]",
    ]
    lines += ["[dictionaries.outside]", 'values = ["filed"]']
    for number, values in enumerate(there.values()):
        lines += [f"[dictionaries.d{number}]", f"values = {json.dumps(values)}"]
    for path, item in document["paths"].items():
        for method in item:
            bound = {}
            for number, place in enumerate(there):
                # One thing is gone after a DELETE: the others shall find theirs.
                if place in path and not (method == "delete" and path.endswith("}")):
                    name = place[place.index("{") + 1 : -1]
                    bound[f"path.{name}"] = '{ dictionary = "d%d", probability = 0.7 }' % number
            if path.startswith("/api/providers/{name}/"):
                # The simulator, and nothing outside.
                bound["path.name"] = '{ dictionary = "outside", probability = 1.0 }'
            if (method, path) == ("post", "/api/providers"):
                bound["query.test"] = "false"
            if bound:
                lines += ["[[operations]]", f"include-method = {json.dumps(method.upper())}"]
                lines += [f"include-path = {json.dumps(path)}"]
                lines += ["parameters = { %s }" % ", ".join(f'"{k}" = {v}' for k, v in bound.items())]
    return "\n".join(lines) + "\n"


def test_the_document_is_valid(admin):
    document = admin.send("GET", "/api/openapi.json")
    assert document["openapi"].startswith("3.1.")
    wrong = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not wrong, "\n".join(wrong)


def test_every_answer_is_as_the_document_says(admin, tmp_path):
    document = admin.send("GET", "/api/openapi.json")
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.ndjson"
    config.write_text(settings(document, things(admin)), encoding="utf-8")
    command = [pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", config, "run",
               admin.url + "/api/openapi.json", "--no-color", "--warnings", "off",
               "--report-ndjson-path", report]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    for name, found in sorted(answered(report).items()):
        print(name, dict(sorted(found.items())))
    assert run.returncode == 0, run.stdout[-30_000:] + run.stderr[-5000:]
    found = answered(report)
    assert len(found) == sum(len(item) for item in document["paths"].values())
    ill = {name for name, statuses in found.items() if not any(200 <= s < 300 for s in statuses)}
    assert ill <= NEVER_WELL, ill - NEVER_WELL
    assert " ERROR " not in admin.log.read_text()
