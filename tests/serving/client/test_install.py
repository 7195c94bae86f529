"""The client as it is installed. What it loads is held by the house's tests."""

import subprocess
import sys
from importlib.resources import files

import fairstall.client


def test_without_httpx_the_line_that_installs_it_is_told():
    program = "import sys; sys.modules['httpx'] = None; import fairstall.client"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'fairstall[client]'" in done.stderr


def test_type_checkers_read_the_types_of_the_client():
    assert (files(fairstall.client) / "py.typed").is_file()


def test_what_is_offered_is_there():
    assert all(hasattr(fairstall.client, name) for name in fairstall.client.__all__)
    assert sorted(fairstall.client.__all__) == fairstall.client.__all__
