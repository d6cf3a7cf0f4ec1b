"""What painting will take, and how it is kept within what there is."""

import doctest

import pytest

from ganvas.errors import BadSetting, UserError
from ganvas.style import memory
from ganvas.style.config import StyleConfig

GB = 10**9


def plan(side, most, resident=GB, **changes):
    config = StyleConfig().but(**changes)
    return memory._planned(config, side * 3 // 4, side, most, resident)


@pytest.mark.parametrize(("text", "value"), [("2GB", 2 * GB), ("500 mb", 500 * 10**6), ("1.5GiB", 3 * 2**29), ("7", 7)])
def test_sizes_are_read(text, value):
    assert memory.parse(text) == value


@pytest.mark.parametrize("text", ["", "much", "2 TB", "-1GB", "0GB", "1.2.3GB"])
def test_other_words_are_refused(text):
    with pytest.raises(BadSetting, match=r"memory takes a number with a unit, such as 2GB or 500MB; got"):
        memory.parse(text)


def test_what_fits_is_painted_at_once_with_all_that_was_asked_for():
    found = plan(512, 4 * GB)
    assert found.tiles == ()
    assert found.history == 20
    assert found.work == 512 * 384
    assert 1.3 * GB < found.memory_bytes < 2 * GB


def test_less_memory_means_more_tiles_and_never_more_than_allowed():
    before = None
    for most in (9 * GB, 4 * GB, 3 * GB, 2.7 * GB):
        found = plan(2048, most)
        assert found.memory_bytes <= most
        assert 5 <= found.history <= 20
        assert sum(tile.area for tile in found.tiles) == 2048 * 1536
        if before:
            assert len(found.tiles) >= len(before.tiles)
            assert found.work >= before.work
        before = found
    assert len(plan(2048, 4 * GB).tiles) > 1


def test_shallow_layers_and_adam_take_less():
    shallow = {"weights": {"style_layers": "relu1_1,relu2_1,relu3_1", "content_layers": "relu3_1"}}
    assert plan(1024, 99 * GB, **shallow).memory_bytes < plan(1024, 99 * GB).memory_bytes
    assert plan(1024, 99 * GB, optimiser={"method": "adam"}).memory_bytes < plan(1024, 99 * GB).memory_bytes


def test_what_cannot_be_is_one_line():
    with pytest.raises(UserError, match=r"painting 8192 x 6144 pixels takes about [\d.]+ GB, more than the 2.0 GB"):
        plan(8192, 2 * GB)
    with pytest.raises(UserError, match=r"try a smaller --size, or --loss gram, which works in tiles\."):
        plan(2048, 3 * GB, loss="nearest")


def test_examples():
    assert doctest.testmod(memory).failed == 0
