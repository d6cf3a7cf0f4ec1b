"""Strokes: detail, pieces and where they are laid."""

import pytest
import torch

from ganvas.style import strokes


def features(height, width, seed=0, count=1):
    """Of the levels that strokes look at, with few channels."""
    rng = torch.Generator().manual_seed(seed)
    sizes = {"relu4_1": (6, 1), "relu3_1": (4, 2), "relu2_1": (3, 4)}
    return {
        level: torch.randn(count, channels, height * scale, width * scale, generator=rng)
        for level, (channels, scale) in sizes.items()
    }


def cut(found):
    return strokes.cut(found["relu4_1"], strokes.details(found))


def test_detail_is_what_half_the_size_lacks():
    found = {"relu3_1": torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), "relu2_1": torch.full((1, 1, 4, 4), 2.0)}
    detail = strokes.details(found)
    assert detail["relu3_1"].tolist() == [[[[-3.0, -1.0], [1.0, 3.0]]]]
    assert not detail["relu2_1"].any()


def test_a_style_painted_in_itself_gets_its_own_detail_back(monkeypatch):
    monkeypatch.setattr(strokes, "ASIDE", 0.0)
    found = features(7, 9)
    manner, detail = cut(found), strokes.details(found)
    chosen = manner.chosen(found["relu4_1"])
    assert chosen.shape == (1, 8, 10)
    assert torch.equal(chosen[0, 1:-1, 1:-1], torch.arange(6 * 8).view(6, 8))  # each corner inside: the piece around it
    for level, scale in (("relu3_1", 2), ("relu2_1", 4)):
        laid = manner.laid(level, chosen)
        assert laid.shape == detail[level].shape
        # Four pieces overlap, faded by sines, s and c along each side: they add up to (s + c)(s + c), and squares to 1.
        steps = torch.pi * (torch.arange(2 * scale) + 0.5) / (2 * scale)
        fading = steps.sin()[:scale] + steps.sin()[scale:]
        inner = (..., slice(scale, -scale), slice(scale, -scale))
        expected = detail[level] * fading.repeat(7)[:, None] * fading.repeat(9)
        torch.testing.assert_close(laid[inner], expected[inner])


def test_tiles_choose_as_the_whole_does():
    manner, deep = cut(features(9, 9)), features(12, 10, seed=1)["relu4_1"]
    whole = manner.chosen(deep)
    part = manner.chosen(deep[:, :, 4:, 3:], (4, 3))
    assert torch.equal(part[:, 1:, 1:], whole[:, 5:, 4:])


def test_flat_places_get_different_pieces(monkeypatch):
    monkeypatch.setattr(strokes, "ASIDE", 0.5)  # few channels, so few neighbours
    flat = torch.ones(1, 6, 10, 10) + torch.arange(6.0).view(1, 6, 1, 1)
    chosen = cut(features(40, 40)).chosen(flat)
    assert len(chosen.unique()) > 10
    assert torch.equal(chosen, cut(features(40, 40)).chosen(flat))


@pytest.mark.parametrize(("weights", "shares"), [((1.0, 1.0), (64, 64)), ((3.0, 1.5), (64, 32)), ((1.0, 0.0), (64, 0))])
def test_of_two_styles_as_many_pieces_as_they_weigh(weights, shares):
    parts = [cut(features(9, 9, seed)) for seed in (0, 1)]
    mixed = strokes.blend(list(zip(weights, parts, strict=True)))
    assert len(mixed.keys) == sum(shares)
    assert all(len(pieces) == sum(shares) for pieces in mixed.pieces.values())
    assert torch.equal(mixed.keys[: shares[0]], parts[0].keys)


def test_a_large_style_keeps_some_of_its_pieces(monkeypatch):
    monkeypatch.setattr(strokes, "MOST_PIECES", 20)
    manner = cut(features(9, 9, count=2))
    assert manner.keys.shape == (20, 6)
    assert manner.pieces["relu2_1"].shape == (20, 2, 2, 4, 4, 3)
