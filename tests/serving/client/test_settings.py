"""Where a client finds the service and its key."""

from pathlib import Path

import pytest

from fairstall.client import AsyncFairstall, Fairstall, Misconfigured
from fairstall.client.settings import KEY_VARIABLE, URL_VARIABLE, Access, find_access

PAGE = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def test_what_is_given_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "http://there:1")
    monkeypatch.setenv(KEY_VARIABLE, "fs_env\n")  # as a file or a secret store leaves it
    assert find_access(None, None) == Access("http://there:1", "fs_env")
    assert find_access("https://here", "fs_given") == Access("https://here", "fs_given")


@pytest.mark.parametrize("kind", [Fairstall, AsyncFairstall])
def test_without_address_or_key_no_client_is_made(kind):
    with pytest.raises(Misconfigured, match=URL_VARIABLE):
        kind(key="fs_x")
    with pytest.raises(Misconfigured, match=KEY_VARIABLE):
        kind("http://here")


@pytest.mark.parametrize("url", ["here", "here:8000", "ftp://here", "http://", "http://here:port", "http://a:b@here"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(Misconfigured, match="address"):
        Fairstall(url, key="fs_x")


@pytest.mark.parametrize("key", ["fs_ké", "fs secret", "fs_\nsecret"])
def test_a_key_that_cannot_be_one_is_refused_without_being_repeated(key):
    with pytest.raises(Misconfigured) as caught:
        Fairstall("http://here", key=key)
    assert key not in str(caught.value)
    assert "secret" not in repr(Access("http://here", "secret"))


def test_an_address_may_have_a_path_before_that_of_the_service():
    assert "http://here/moderation/" in repr(Fairstall("http://here/moderation", key="fs_x"))


def test_each_variable_is_on_the_page_of_settings():
    for variable in (URL_VARIABLE, KEY_VARIABLE):
        assert f"| `{variable}` |" in PAGE
