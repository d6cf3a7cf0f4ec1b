"""How a painting is cut into tiles, so that it keeps to the memory there is."""

import pytest
import torch

from ganvas.errors import UnknownName, UserError
from ganvas.style import memory, plan
from ganvas.style.config import StyleConfig

GB = 10**9


def planned(height, width, most, **changes):
    config = StyleConfig().but(**changes)
    return plan._planned(config, memory.needs(config, torch.float32, 700_000_000), height, width, int(most * GB))


def test_what_fits_is_painted_at_once_with_all_that_was_asked_for():
    found = planned(384, 512, 4)
    assert found.tiles == ()
    assert found.history == 20
    assert found.work == 512 * 384
    assert 1.1 * GB < found.memory_bytes < 1.5 * GB


def test_less_memory_means_more_work_and_never_more_than_allowed():
    before = None
    for most in (9, 6, 4, 3, 2.5):
        found = planned(1536, 2048, most)
        assert found.memory_bytes <= most * GB
        assert 5 <= found.history <= 20
        if before:
            assert sum(tile.area for tile in found.tiles) == 2048 * 1536
            assert found.work > before.work
        before = found


def test_the_same_painting_is_worth_some_work():
    strips = planned(1536, 2048, 5)
    assert strips.history == 20
    assert {(tile.left, tile.right) for tile in strips.tiles} == {(0, 2048)}
    tiles = planned(1536, 2048, 3.9)
    assert tiles.history == 20
    assert len({tile.left for tile in tiles.tiles}) > 1
    assert planned(1536, 2048, 2.5).history < 20


def test_the_forecast_counts_the_largest_tile_with_its_halo():
    config = StyleConfig()
    takes = memory.needs(config, torch.float32, 700_000_000)
    for height, width, most in ((1536, 2048, 4), (1000, 1500, 2), (3000, 700, 2), (2049, 1537, 3.3)):
        found = planned(height, width, most)
        frame = plan.Window(0, height, 0, width)
        largest = max(tile.grown(160, frame).area for tile in found.tiles)
        assert takes.at_peak(height * width, found.history, largest) <= found.memory_bytes
        assert sum(tile.grown(160, frame).area for tile in found.tiles) <= found.work


def test_what_cannot_be_is_one_line():
    too_much = r"painting 8192 x 6144 pixels takes about [\d.]+ GB, more than the 2.00 GB there are; "
    with pytest.raises(UserError, match=too_much + r"try a smaller --size, or --set optimiser.method=adam, which "):
        planned(6144, 8192, 2)
    with pytest.raises(UserError, match=r"try a smaller --size, or --loss gram, which works in tiles\."):
        planned(1536, 2048, 3, loss="nearest")
    with pytest.raises(UnknownName):
        plan.planned(StyleConfig().but(weights={"content_layers": "relu9"}), torch.float32, [(8, 8)], GB)
