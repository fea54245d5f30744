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
    # They need a password that is right, a cookie, an address for passkeys, a secret that waits.
    "POST /api/session", "POST /api/session/refresh", "POST /api/session/passkey/begin",
    "POST /api/session/passkey/finish", "POST /api/keys/{id}/secret",
    # They need a sign-in provider that answers, in a browser; an issuer that is one; a person's own address.
    "POST /api/oidc_providers", "PATCH /api/oidc_providers/{id}", "POST /api/oidc_providers/{id}/test",
    "GET /api/oidc_providers/{id}/test", "POST /api/oidc_providers/{id}/activate", "GET /api/oidc/{slug}/login",
    "GET /api/oidc/{slug}/callback", "POST /api/oidc/{slug}/backchannel_logout", "POST /api/users/{id}/erase",
}
# Only the token of a SCIM client opens these: test_scim.py has one.
SCIM = "/scim/v2/"


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
        "admin": {"listen": f"127.0.0.1:{own}", "token": TOKEN, "rate_limit": {"address": 0, "account": 0}},
        "upstream": {"allow_networks": ["127.0.0.0/8"]},
        "providers": [{"name": "openai", "kind": "openai", "base_url": simulator + "/v1", "api_key": UPSTREAM_KEY}],
        "models": [{"name": "gpt-sim", "routes": [{"provider": "openai"}]}],
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


def things(admin: Admin) -> tuple[dict, dict]:
    """What there is, by the place in a path that names it: to be read and changed, and to be deleted."""

    def make(path: str, body: dict, name: str = "id") -> str:
        return admin.send("POST", path, body)[name]

    def some(word: str) -> dict:
        user = make("/api/users", {"email": f"{word}@example.com", "name": "Ada", "roles": [{"role": "developer"}]})
        team = make("/api/teams", {"name": word})
        admin.send("PUT", f"/api/teams/{team}/members/{user}", {"role": "member"})
        provider = {"name": word, "kind": "bedrock", "bedrock": {"region": "us-east-1", "profile": "none"}}
        price = {"input": 1, "output": 2, "long_prompt": {"above": 1000, "input": 2}}
        model = {"name": word, "routes": [{"provider": "openai"}], "price": price}
        role = {"name": word, "grants": [{"scope": "all", "permissions": ["keys.read"]}]}
        scim = admin.send("POST", "/api/scim_clients", {"name": word})["client"]["id"]
        oidc = {"slug": word, "name": word, "preset": "generic", "issuer": "https://idp.example.com", "client_id": "c"}
        return {
            "/api/scim_clients/{id}": scim,
            "/api/oidc_providers/{id}": make("/api/oidc_providers", oidc),
            "/api/users/{id}": user,
            "/api/teams/{id}": team,
            "{user_id}": user,
            "/api/service_accounts/{id}": make("/api/service_accounts", {"name": word, "team": team}),
            "/api/roles/{name}": make("/api/roles", role, "name"),
            "/api/providers/{name}": make("/api/providers", provider | {"headers": {"x-team": "a"}}, "name"),
            "/api/models/{name}": make("/api/models", model, "name"),
        }

    kept = some("kept")
    there = {place: [value] for place, value in kept.items()}
    key = {"name": "kept", "user": kept["{user_id}"], "surfaces": ["chat", "models"], "models": ["gpt-*"]}
    keys = [admin.send("POST", "/api/keys", key) for _ in range(6)]
    admin.send("PUT", "/api/settings/upstream.backoff", {"value": "200ms"})
    there["/api/keys/{id}"] = [k["key"]["id"] for k in keys[:3]]
    there["/api/calls/{id}"] = [call(admin, keys[0]["secret"])]
    there["/api/settings/{name}"] = [s["name"] for s in admin.send("GET", "/api/settings")["items"]]
    there["/api/roles/{name}"].append("viewer")
    there["/api/providers/{name}"].append("openai")
    there["/api/models/{name}"].append("gpt-sim")
    passing = [some(f"passing-{n}") for n in range(3)]
    doomed = there | {place: [p[place] for p in passing] for place in kept}
    doomed["/api/keys/{id}"] = [k["key"]["id"] for k in keys[3:]]
    doomed["{user_id}"] = []
    for n in range(3):
        leaver = make("/api/users", {"email": f"leaver-{n}@example.com", "name": "Bob"})
        admin.send("PUT", f"/api/teams/{kept['/api/teams/{id}']}/members/{leaver}", {"role": "member"})
        doomed["{user_id}"].append(leaver)
    return there, doomed


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


def settings(document: dict, there: dict, doomed: dict) -> str:
    """What schemathesis is told (schemathesis.toml). JSON's texts, numbers and lists are TOML's as well."""
    lines = [
        "continue-on-failure = true",
        'headers = { Authorization = "Bearer %s" }' % TOKEN,
        "[generation]",
        "max-examples = 20",
        "no-shrink = true",
        "deterministic = true",
        'database = "none"',
        # Things that answers name would be deleted while they are needed.
        "[phases.coverage.extra-data-sources]",
        "responses = false",
        "[phases.fuzzing.extra-data-sources]",
        "responses = false",
        "[phases.stateful]",
        "enabled = false",
        "[checks]",
        "positive_data_acceptance.enabled = false",
        "use_after_free.enabled = false",
        "ensure_resource_availability.enabled = false",
        "object_level_authorization.enabled = false",
        # 412 as well: what If-Match says is looked at before the body. No 5xx: a bad request is not our fault.
        "negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]",
        "[dictionaries]",
        'any = { values = ["*"] }',
        'address = { values = ["root@example.com"] }',
        'password = { values = ["mauve-otter-93-kayak"] }',
        'simulator = { values = ["openai"] }',
    ]
    for number, (place, values) in enumerate(there.items()):
        lines.append(f"kept{number} = {{ values = {json.dumps(values)} }}")
        lines.append(f"doomed{number} = {{ values = {json.dumps(doomed[place])} }}")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = {p["name"] for p in operation.get("parameters", [])}
            bound = {"header.If-Match": ("any", 0.8)} if "If-Match" in names else {}
            for number, place in enumerate(there):
                if place in path:
                    name = place[place.index("{") + 1 : -1]
                    ends = method == "delete" and path.endswith(place) or path in (place + "/revoke", place + "/archive")
                    bound[f"path.{name}"] = (f"doomed{number}" if ends else f"kept{number}", 0.7)
            if (method, path) == ("post", "/api/setup"):
                bound |= {"body.email": ("address", 0.9), "body.password": ("password", 0.9)}
            fixed = {}
            if path.startswith("/api/providers/{name}/"):
                # Nothing outside is asked.
                bound["path.name"] = ("simulator", 1.0)
            if (method, path) == ("post", "/api/providers"):
                fixed["query.test"] = "false"
            name = json.dumps(f"{method.upper()} {path}")
            lines += ["[[operations]]", f"include-name = {name}", "[operations.parameters]"]
            lines += [f'"{k}" = {{ dictionary = "{d}", probability = {p} }}' for k, (d, p) in bound.items()]
            lines += [f'"{k}" = {v}' for k, v in fixed.items()]
    return "\n".join(lines) + "\n"


def test_the_document_is_valid(admin):
    document = admin.send("GET", "/api/openapi.json")
    assert document["openapi"].startswith("3.1.")
    wrong = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not wrong, "\n".join(wrong)


def test_every_answer_is_as_the_document_says(admin, tmp_path):
    document = admin.send("GET", "/api/openapi.json")
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.ndjson"
    config.write_text(settings(document, *things(admin)), encoding="utf-8")
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
    shut = {name for name in ill if name.split(" ")[1].startswith(SCIM)}
    assert len(shut) > 10 and all(set(found[name]) <= {400, 401, 403, 405, 413} for name in shut), shut
    ill -= shut
    assert ill <= NEVER_WELL, ill - NEVER_WELL
    assert " ERROR " not in admin.log.read_text()
