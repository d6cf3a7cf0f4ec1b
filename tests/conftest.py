"""What every test gets: one CPU thread, and tiny datasets on demand."""

import pytest
import torch

import tiny


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny networks are slower on two threads than on one."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Nothing is left in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANVAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def pictures():
    """Grey 16 x 16 pictures, uint8 [96, 16, 16, 1]."""
    return tiny.make_pictures()


@pytest.fixture
def points():
    """Points [96, 2] on a ring."""
    return tiny.make_points()
