"""A broken bundle: promoted under load it is refused and the old one goes on; at start it is refused with a message."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fairstall.model.deployed import POINTER_FILE, Deployments


def point_at(models, version):
    """Promote what lies in the models folder, past all checks."""
    arriving = models / "arriving"
    pointer = {"version": version, "previous": None, "deployed_at": "2026-11-22T12:00:00Z", "reason": "none"}
    arriving.write_text(json.dumps(pointer))
    arriving.replace(models / POINTER_FILE)


def refusals(url):
    lines = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return next((float(line.split()[1]) for line in lines if 'fairstall_reloads_total{result="refused"}' in line), 0.0)


@pytest.fixture
def following(start_server, home, make_key, tiny_bundle):
    """A server that follows promotions, with the tiny bundle as its champion, and its key."""
    secret = make_key(f"sqlite:///{home / 'fairstall.sqlite'}")
    Deployments(home / "models").deploy(tiny_bundle, reason="first", deployed_at="2026-11-22T12:00:00Z")
    return start_server(home, follow=True), secret


def test_broken_bundles_that_are_promoted_under_load_are_refused_and_no_request_is_lost(
    following, home, make_broken_bundle, broken_bundles, tiny_bundle
):
    server, secret = following
    over, statuses = threading.Event(), set()

    def send(sender):
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
            while not over.is_set():
                listing = {"listing_id": f"l-{sender}", "seller_id": "s", "title": "Chair", "description": ""}
                response = client.post("/v1/score", json=listing)
                statuses.add((response.status_code, response.json()["versions"]["model"]))

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, sender) for sender in range(4)]
        try:
            for number, how in enumerate(broken_bundles):
                make_broken_bundle(home / "models" / f"broken-{number}", how)
                point_at(home / "models", f"broken-{number}")
                while refusals(server.url) <= number:
                    pass
        finally:
            over.set()
        for one in sending:
            one.result()
    assert statuses == {(200, tiny_bundle.version)}
    assert httpx.get(f"{server.url}/readyz", timeout=60).json()["versions"]["model"] == tiny_bundle.version


def test_a_broken_bundle_keeps_a_server_from_starting_and_says_why(home, make_broken_bundle, broken, tmp_path):
    how, why = broken
    make_broken_bundle(tmp_path / "broken", how)
    command = [sys.executable, "-m", "fairstall.cli.main", "serve", "--port", "0", "--home", str(home)]
    ended = subprocess.run(
        [*command, "--bundle", str(tmp_path / "broken")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("fairstall: ")
    assert why in ended.stderr
    assert "Traceback" not in ended.stderr
