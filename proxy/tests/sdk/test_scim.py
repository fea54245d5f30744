"""A published SCIM client against the admin service, and the published compliance check (PyPI scim2-tester)."""

import json
import urllib.request

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

FINE = (Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE)


@pytest.fixture
def client(server, gateway_only):
    """The client, with a token of its own."""
    body = json.dumps({"name": "checker", "default_roles": [{"role": "developer"}]}).encode()
    headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
    request = urllib.request.Request(server.admin + "/api/scim_clients", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        token = json.load(answer)["token"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=server.admin + "/scim/v2", headers=headers, timeout=30) as http:
        yield SyncSCIMClient(http)


def test_the_published_check_finds_nothing_wrong(client):
    results = check_server(client)
    wrong = [r for r in results if r.status not in FINE]
    assert not wrong, "\n".join(f"{r.title} ({r.resource_type}): {r.status.name}: {r.reason}" for r in wrong)
    assert len(results) >= 60, len(results)
    assert {r.resource_type for r in results} >= {"User", "Group"}
