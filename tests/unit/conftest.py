import pytest

from tests.support.runtimes import PYTHONS


@pytest.fixture(params=PYTHONS or [None])
def python(request):
    """The path of each Python, for what no runtime client has a part in."""
    assert request.param, "no runtime to test with: ./build.sh setup"
    return PYTHONS[request.param]
