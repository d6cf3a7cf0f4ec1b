"""Presets: every one of them resolves, builds and fits its source; the ways of asking agree with each other."""

import pytest

from ganvas.config import differences
from ganvas.errors import BadSetting, UnknownName
from ganvas.presets import PRESETS, SIZES, configure

SHAPES = {"digits": (1, 28, 28), "pictures": (3, 32, 32)}


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_says_what_it_is_for_and_builds(name):
    from ganvas import models

    assert (PRESETS[name].__doc__ or "").strip().endswith(".")
    asked = PRESETS[name]()
    models.load(asked.model).check(asked)
    networks = models.build(asked, SHAPES.get(asked.source, (2,)))
    assert all(models.count_parameters(network) > 0 for network in networks.values())
    assert asked.minutes or asked.total_images


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_resolves(name):
    from ganvas import api
    from ganvas.training import engine, resolve

    asked = configure(None, name, {"total_images": 512, "threads": 1})
    dataset = api.read_source(asked)
    resolved = resolve.with_machine(resolve.with_source(asked, dataset), dataset, engine.Engine())
    assert resolved.total_images == 512
    assert resolved.threads == 1
    assert resolved.minutes is None
    assert None not in (
        resolved.loss.r1,
        resolved.loss.r2,
        resolved.save.every_images,
        resolved.save.report_every_images,
    )
    assert resolve.with_source(resolved, dataset) == resolved, "a resolved config resolves to itself"


def test_the_source_picks_its_preset():
    assert configure("ring").model == "mlp"
    assert configure("digits").minutes == 2
    assert configure("holiday photos/").minutes == 20
    assert configure("holiday photos/").source == "holiday photos/"
    assert configure().source == "digits"


def test_an_unknown_preset_gets_a_suggestion():
    with pytest.raises(UnknownName, match="no preset is called 'digts'; did you mean 'digits'"):
        configure("digits", "digts")


def test_images_take_the_place_of_minutes():
    assert configure("digits", changes={"total_images": 1000}).minutes is None
    assert configure("digits", changes={"minutes": 3}).total_images is None
    with pytest.raises(BadSetting, match="minutes or total_images, not both"):
        configure("digits", changes={"minutes": 3, "total_images": 1000})


def test_the_command_line_beats_the_file(tmp_path):
    (tmp_path / "mine.toml").write_text("total_images = 1000\nseed = 5\n")
    asked = configure("digits", str(tmp_path / "mine.toml"), {"minutes": 3})
    assert (asked.total_images, asked.minutes, asked.seed) == (None, 3, 5)


def test_the_size_dial_widens_pictures_and_leaves_points():
    widths = [configure("photos", changes={"size": size}).network.get("compute", 0) for size in SIZES]
    assert widths == sorted(widths)
    assert len(set(widths)) == len(SIZES)
    assert configure("ring", changes={"size": "large"}).network == configure("ring").network
    with pytest.raises(BadSetting, match="size takes small, medium, large; got 'huge'"):
        configure("photos", changes={"size": "huge"})


def test_what_is_said_outright_beats_the_dial():
    asked = configure("photos", changes={"size": "large", "network.compute": "3"})
    assert asked.network["compute"] == 3


def test_another_model_starts_from_its_own_sizes():
    assert configure("ring", changes={"model": "mlp"}).network == configure("ring").network
    assert configure("digits", "digits-perceptrons", {"model": "vae"}).network == {}


def test_typed_and_untyped_changes_agree():
    assert not differences(configure("ring", changes={"seed": "3"}), configure("ring", changes={"seed": 3}))
