"""What `fairstall serve` puts together before it listens."""

import logging
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
from starlette.testclient import TestClient

from fairstall.cli import settings
from fairstall.cli.serve import CONTROL_KEY_FILE, blocked_index, build_scoring_app, control_key, listen
from fairstall.model.errors import SetupError
from fairstall.model.fingerprint import NEARLY_THE_SAME
from fairstall.records.engine import open_engine
from fairstall.records.keys import Scope, create_key
from fairstall.serving.limits import Limits


def test_the_control_key_is_made_once_and_is_its_owners_alone(tmp_path):
    key = control_key(tmp_path)
    assert len(key) == 32
    assert control_key(tmp_path) == key
    assert (tmp_path / CONTROL_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [CONTROL_KEY_FILE]


def test_a_control_key_that_was_cut_short_is_refused(tmp_path):
    (tmp_path / CONTROL_KEY_FILE).write_bytes(b"short")
    with pytest.raises(SetupError, match=r"control\.key has 5 bytes"):
        control_key(tmp_path)


def test_a_port_that_is_taken_is_told(tmp_path):
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)


def test_the_app_is_built_in_an_empty_home(tiny_bundle, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    home = tmp_path / "new" / "home"
    app = build_scoring_app(
        home=home,
        database=f"sqlite:///{home / 'records.sqlite'}",
        bundle=tiny_bundle.folder,
        policies=None,
        control_rate=0.01,
    )
    assert {route.path for route in app.routes} >= {"/v1/score", "/readyz"}
    assert f"serving {tiny_bundle.version}" in caplog.text
    assert sorted(path.name for path in home.iterdir() if "-" not in path.name) == [CONTROL_KEY_FILE, "records.sqlite"]


def test_listings_are_compared_with_blocked_ones_unless_it_is_turned_off():
    assert blocked_index(Limits(blocked_prints=7), 0.75).most == 7
    assert blocked_index(Limits(), 0.0) is None


def test_the_settings_and_the_limits_agree():
    limits = Limits()
    assert limits.remembered_texts == settings.DEFAULT_REMEMBERED_TEXTS
    assert limits.deadline_s == settings.DEFAULT_DEADLINE_S
    assert limits.store_deadline_s == settings.DEFAULT_STORE_DEADLINE_S


def test_the_setting_and_the_console_agree_on_what_is_nearly_the_same():
    assert NEARLY_THE_SAME == settings.DEFAULT_NEAR_DUPLICATES


@pytest.mark.parametrize(("remembered", "repeated"), [(0, [False, False]), (1, [False, True])])
def test_as_many_texts_are_remembered_as_are_asked_for(tiny_bundle, tmp_path, remembered, repeated):
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    app = build_scoring_app(
        home=tmp_path,
        database=url,
        bundle=tiny_bundle.folder,
        policies=None,
        control_rate=0.0,
        remembered_texts=remembered,
    )
    engine = open_engine(url)
    secret = create_key(engine, "shop", Scope.SCORE, now=datetime.now(UTC)).secret
    engine.dispose()
    listing = {"listing_id": "l", "seller_id": "s", "title": "Garden chair", "description": "Hardly used."}
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as client:
        answers = [client.post("/v1/score", json=listing).json() for _ in range(2)]
    assert [answer["repeated"] for answer in answers] == repeated


def test_a_copy_of_what_was_blocked_is_found_in_the_app_that_users_start(tiny_bundle, tmp_path):
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    app = build_scoring_app(home=tmp_path, database=url, bundle=tiny_bundle.folder, policies=None, control_rate=0.0)
    text = "From the estate of my grandfather, 14 cm tall, with a small crack at the foot. Collect it in the evening."
    listing = {"listing_id": "l", "seller_id": "s", "title": "Heroin in an old carved figure", "description": text}
    engine = open_engine(url)
    secret = create_key(engine, "shop", Scope.SCORE, now=datetime.now(UTC)).secret
    engine.dispose()
    with TestClient(app, headers={"Authorization": f"Bearer {secret}"}) as client:
        assert client.post("/v1/score", json=listing).json()["outcome"] == "block"
        deadline = monotonic() + 20
        similar = None
        while similar is None:  # until the app has looked at what was blocked
            assert monotonic() < deadline
            sleep(0.1)
            similar = client.post("/v1/score", json=listing | {"seller_id": "t"}).json()["findings"][0]["resembles"]
    assert similar["similarity"] == 1
