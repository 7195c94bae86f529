"""A disk that is really full: 503, nothing answered that is not stored, and well again once there is room."""

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import select

from fairstall.records.engine import open_engine, reading
from fairstall.records.tables import decisions

DISK_BYTES = 16_000_000
ROOM_BYTES = 400_000
LARGE = "A sturdy wooden chair. " * 1_000


@contextmanager
def full_disk(server, home):
    """The disk has room for some listings; afterwards it has more."""
    ballast = home / "ballast"
    free = shutil.disk_usage(home).free
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - ROOM_BYTES)
    yield
    ballast.unlink()


@contextmanager
def no_larger_files(server, home):
    """What the process writes may not grow much beyond what its largest file is now; afterwards it may."""
    largest = max(path.stat().st_size for path in home.iterdir())
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (largest + ROOM_BYTES, resource.RLIM_INFINITY))
    yield
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, where the machine lets one be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_BYTES}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(params=[full_disk, no_larger_files])
def filled(request):
    """What fills the disk, and the folder that is on it."""
    folder = request.getfixturevalue("small_disk" if request.param is full_disk else "home")
    return request.param, folder


def score(client, name):
    listing = {"listing_id": name, "seller_id": "s", "title": "Chair", "description": f"{name} {LARGE}"}
    return client.post("/v1/score", json=listing, headers={"Idempotency-Key": name})


def stored_in(home):
    engine = open_engine(f"sqlite:///{home / 'fairstall.sqlite'}")
    with reading(engine) as connection:
        found = set(connection.execute(select(decisions.c.decision_id)).scalars())
    engine.dispose()
    return found


def test_a_full_disk_loses_nothing_and_is_got_over(filled, start_server, make_key):
    fill, home = filled
    secret = make_key(f"sqlite:///{home / 'fairstall.sqlite'}")
    server = start_server(home)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=120) as client:
        answers = []
        with fill(server, home):
            while not answers or answers[-1].status_code == 200:
                answers.append(score(client, f"l-{len(answers)}"))
            refused = [answers.pop(), *(score(client, f"late-{n}") for n in range(5))]
            answers += [one for one in refused if one.status_code == 200]  # smaller ones may still fit
            assert {one.status_code for one in refused} <= {200, 503}
            assert refused[0].json()["type"] == "urn:fairstall:problem:store-unavailable"
            assert client.get("/healthz").status_code == 200
        answers += [score(client, f"again-{n}") for n in range(3)]
        assert {one.status_code for one in answers} == {200}
    assert stored_in(home) == {one.json()["decision_id"] for one in answers}
    assert server.process.poll() is None
