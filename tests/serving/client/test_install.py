"""The client where its extra is missing. What it loads where it is not is held by the house's tests."""

import subprocess
import sys


def test_without_httpx_the_line_that_installs_it_is_told():
    program = "import sys; sys.modules['httpx'] = None; import fairstall.client"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'fairstall[client]'" in done.stderr
