"""Sign-in to the admin service with a real identity provider: npm oidc-provider (proxy/tests/sdk-js/idp.mjs), the real
binary, real sockets, and a scripted browser.

`make test` installs the npm packages, as Node looks for packages beside the files that import them.
"""

import html
import json
import re
import subprocess
import time
import urllib.parse

import pytest
import requests
from conftest import DIRECT, PATIENCE, ROOT, binary, reserve_port, spawn, stop

HERE = ROOT / "proxy" / "tests" / "sdk-js"
MODULES = HERE / "node_modules"
TOKEN = "bootstrap-token-of-the-test"
SECRET = "gate-secret-of-the-test"
pytestmark = [
    pytest.mark.skipif(not (MODULES / "oidc-provider").is_dir(), reason="npm packages: `make test` installs them"),
    pytest.mark.skipif(DIRECT, reason="about the gateway's own doings"),
]


class Browser:
    """Keeps the cookies of each site, follows redirects by hand."""

    def __init__(self):
        self.jars, self.page = {}, None

    def ask(self, method: str, url: str, **options) -> requests.Response:
        site = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))
        jar = self.jars.setdefault(site, {})
        headers = {"user-agent": "Mozilla/5.0 Firefox/140.0", **options.pop("headers", {})}
        if jar:
            headers["cookie"] = "; ".join(f"{k}={v}" for k, v in jar.items())
        # `localhost` may mean ::1 too
        answer = requests.request(method, url.replace("//localhost:", "//127.0.0.1:"), headers=headers, timeout=30,
                                  allow_redirects=False, **options)
        for line in answer.raw.headers.getlist("set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            gone = not value or "max-age=0" in line.lower() or "expires=thu, 01 jan 1970" in line.lower()
            jar.pop(name, None) if gone else jar.update({name: value})
        self.page = url
        return answer

    def follow(self, answer: requests.Response, until: str | None = None) -> requests.Response:
        """Goes where it is sent, until it is sent to `until` (that is not opened) or there is a page."""
        for _ in range(20):
            if answer.status_code not in (302, 303):
                return answer
            to = urllib.parse.urljoin(self.page, answer.headers["location"])
            if until and to.startswith(until):
                self.page = to
                return answer
            answer = self.ask("GET", to)
        raise AssertionError("sent around in circles")

    def submit(self, answer: requests.Response, until: str | None = None, **fields) -> requests.Response:
        """Fills in the form of a page."""
        assert answer.status_code == 200, answer.text
        action = html.unescape(re.search(r'<form[^>]* action="([^"]+)"', answer.text)[1])
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
        url = urllib.parse.urljoin(self.page, action)
        return self.follow(self.ask("POST", url, data=hidden | fields), until)

    def sign_in(self, url: str, name: str, until: str | None = None) -> requests.Response:
        """Through the provider's pages, as whoever it asks for."""
        answer = self.follow(self.ask("GET", url), until)
        for _ in range(3):
            if 'name="login"' in answer.text:
                answer = self.submit(answer, until, login=name, password="any")
            elif 'value="consent"' in answer.text:
                answer = self.submit(answer, until)
        return answer


class House:
    """A gateway and an identity provider."""

    def __init__(self, url: str, issuer: str):
        self.url, self.issuer = url, issuer

    def root(self, method: str, path: str, body=None) -> requests.Response:
        answer = requests.request(method, self.url.replace("localhost", "127.0.0.1") + path, json=body,
                               headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)
        assert answer.ok, answer.text
        return answer

    def enter(self, browser: Browser, name: str) -> dict:
        """Signs in and says who one is."""
        answer = browser.sign_in(self.url + "/api/oidc/npm/login?return_to=/api/me", name)
        assert answer.status_code == 200 and browser.page == self.url + "/api/me", (browser.page, answer.text)
        return answer.json()

    def status(self, browser: Browser) -> int:
        return browser.ask("GET", self.url + "/api/me").status_code


@pytest.fixture(scope="module")
def house(directory):
    held = []
    port, admin, idp = (reserve_port(held) for _ in range(3))
    url, issuer = f"http://localhost:{admin}", f"http://127.0.0.1:{idp}"
    overlay, log = directory / "oidc.yaml", directory / "oidc.log"
    overlay.write_text(json.dumps({
        "data_dir": str(directory / "oidc-data"),
        "server": {"listen": [f"127.0.0.1:{port}"]},
        "admin": {"listen": f"127.0.0.1:{admin}", "public_url": url, "token": TOKEN},
        "upstream": {"allow_networks": ["127.0.0.0/8"]},
    }), encoding="utf-8")
    node = MODULES / ".bin" / "node"
    provider = spawn([node, HERE / "idp.mjs", json.dumps({"port": idp, "gate": url})], directory / "idp.log",
                     stdout=subprocess.PIPE)
    line = provider.stdout.readline()
    # what it says about itself must not fill the pipe
    while line and b"listening" not in line:
        line = provider.stdout.readline()
    assert line, (directory / "idp.log").read_text()
    files = ["-c", ROOT / "config" / "base.yaml", "-c", overlay]
    gate = spawn([binary("SALLYPORT_BIN", "sallyport"), "run", *files], log, stdout=subprocess.DEVNULL)
    made, deadline = House(url, issuer), time.monotonic() + PATIENCE
    while True:
        assert gate.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            made.root("GET", "/api/oidc_providers")
            break
        except (requests.ConnectionError, AssertionError):
            time.sleep(0.05)
    yield made
    stop(gate)
    stop(provider)
    print(log.read_text(), (directory / "idp.log").read_text())


@pytest.fixture(scope="module")
def active(house):
    """Made, tested and activated as an administrator does it."""
    team = house.root("POST", "/api/teams", {"name": "reds"}).json()["id"]
    made = house.root("POST", "/api/oidc_providers", {
        "slug": "npm", "name": "npm", "preset": "generic", "issuer": house.issuer, "client_id": "gate",
        "client_secret": SECRET, "jit": True, "default_roles": [{"role": "viewer"}],
        "group_rules": [{"group": "reds", "team": team, "role": {"role": "developer", "team": team}}],
    }).json()
    here = f"/api/oidc_providers/{made['id']}"
    assert made["callback_url"] == house.url + "/api/oidc/npm/callback"
    browser = Browser()
    assert browser.ask("GET", house.url + "/api/oidc/npm/login").status_code == 404, "a draft signs nobody in"
    answer = browser.sign_in(house.root("POST", here + "/test").json()["url"], "tess")
    assert answer.json()["passed"], house.root("GET", here + "/test").text
    assert house.status(browser) == 401, "a test signs nobody in"
    seen = house.root("GET", here + "/test").json()
    assert seen["claims"]["email"] == "tess@example.com" and seen["maps_to"]["roles"] == [{"role": "viewer", "team": None}]
    assert house.root("POST", here + "/activate").json()["state"] == "active"
    return house, team


def test_login_groups_and_logout_at_both_ends(active):
    house, team = active
    browser = Browser()
    requests.post(house.issuer + "/-/groups", json=["reds", "others"], timeout=30)
    me = house.enter(browser, "ada")
    assert me["user"]["email"] == "ada@example.com" and not me["user"]["has_password"]
    assert [t["name"] for t in me["teams"]] == ["reds"]
    assert {(r["role"], r["team"]) for r in me["roles"]} == {("viewer", None), ("developer", team)}
    sessions = browser.ask("GET", house.url + "/api/sessions").json()["sessions"]
    assert [s["method"] for s in sessions] == ["oidc:npm"]
    # the groups are others meanwhile; the provider still knows who it is, and asks for nothing
    requests.post(house.issuer + "/-/groups", json=[], timeout=30)
    again = browser.follow(browser.ask("GET", house.url + "/api/oidc/npm/login?return_to=/api/me")).json()
    assert again["user"]["id"] == me["user"]["id"] and again["teams"] == []
    assert [r["role"] for r in again["roles"]] == ["viewer"]
    # out, here and there
    answer = browser.ask("DELETE", house.url + "/api/session", headers={"x-csrf-token": again["csrf_token"]})
    assert answer.status_code == 200, answer.text
    assert house.status(browser) == 401
    page = browser.follow(browser.ask("GET", answer.json()["logout_url"]))
    browser.submit(page, until=house.url, logout="yes")
    assert browser.page.startswith(house.url + "/"), "the provider knows where to send the browser back to"
    page = browser.follow(browser.ask("GET", house.url + "/api/oidc/npm/login"))
    assert 'name="login"' in page.text, "the provider asks again who it is"


def test_an_answer_works_once_and_in_its_own_browser(active):
    house, _ = active
    back = house.url + "/api/oidc/npm/callback"
    browser, other = Browser(), Browser()
    browser.sign_in(house.url + "/api/oidc/npm/login", "bob", until=back)
    answer = browser.page
    assert answer.startswith(back + "?"), answer
    assert other.ask("GET", answer).status_code == 400
    cookies = dict(browser.jars[house.url])
    assert browser.ask("GET", answer).status_code == 303
    browser.jars[house.url] = cookies
    assert browser.ask("GET", answer).status_code == 400


def test_the_provider_ends_the_session(active):
    house, _ = active
    browser, other = Browser(), Browser()
    house.enter(browser, "cleo")
    house.enter(other, "cleo")
    page = browser.follow(browser.ask("GET", house.issuer + "/session/end"))
    browser.submit(page, logout="yes")
    # the provider sends its logout token before it answers
    assert house.status(browser) == 401
    assert house.status(other) == 200, "another session of the provider"


def test_keys_change(active):
    house, _ = active
    house.enter(Browser(), "dora")
    before = requests.get(house.issuer + "/jwks", timeout=30).json()["keys"][0]["kid"]
    requests.post(house.issuer + "/-/rotate", timeout=30)
    assert requests.get(house.issuer + "/jwks", timeout=30).json()["keys"][0]["kid"] != before
    assert house.enter(Browser(), "dora")["user"]["email"] == "dora@example.com"


def test_nothing_secret_is_written(active, directory):
    house, _ = active
    assert SECRET not in (directory / "oidc.log").read_text()
    for path in ("/api/oidc_providers", "/api/audit?limit=200"):
        text = house.root("GET", path).text
        assert SECRET not in text and "eyJ" not in text
