"""Settings: declared once, explained in our words, the same through TOML, JSON and the command line."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas import config, presets
from ganvas.config import LOSSES, RunConfig, changed, describe, differences, flat, parse_assignments, read_toml, to_toml
from ganvas.errors import BadSetting, UnknownName


def test_every_setting_says_what_it_does():
    for name, takes, _, text in describe():
        assert text, name
        assert takes, name


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("loss.r11", "loss.r1"),
        ("batchsize", "batch_size"),
        ("optimizer.generator_lr", "optimiser.generator_lr"),
        ("sede", "seed"),
    ],
)
def test_an_unknown_setting_gets_a_suggestion(name, guess):
    with pytest.raises(UnknownName, match=f"no setting is called '{name}'; did you mean '{guess}'"):
        changed(RunConfig(), {name: "1"})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("batch_size", "0", "whole number at least 1"),
        ("batch_size", "many", "whole number at least 1"),
        ("minutes", "0", "number above 0 (minutes)"),
        ("minutes", "-3", "number above 0 (minutes)"),
        ("total_images", "0", "whole number at least 1 (images)"),
        ("loss.adversarial", "hings", ", ".join(LOSSES)),
        ("optimiser.beta1", "1", "number at least 0 and below 1"),
        ("balance.skip_above", "0.5", "number above 0.5 and at most 1"),
        ("data.flip", "perhaps", "true or false"),
        ("device", "tpu", "auto, cpu, cuda, mps"),
        ("save.keep", "1", "whole number at least 2"),
    ],
)
def test_a_bad_value_is_told_with_what_is_accepted(name, value, accepted):
    with pytest.raises(BadSetting) as caught:
        changed(RunConfig(), {name: value})
    assert str(caught.value) == f"{name} takes {accepted}; got {value!r}."


@pytest.mark.parametrize("value", ["12x", "x", "big", "-4", "64x64x64"])
def test_a_bad_resolution_is_told(value):
    with pytest.raises(BadSetting, match=r"data\.resolution takes .*; got"):
        changed(RunConfig(), {"data.resolution": value})


def test_text_is_read_as_the_type_of_each_setting():
    made = changed(RunConfig(), {"batch_size": "32", "loss.r1": "1e-3", "data.flip": "true", "minutes": "none"})
    assert (made.batch_size, made.loss.r1, made.data.flip, made.minutes) == (32, 1e-3, True, None)


def test_changing_one_setting_leaves_its_neighbours():
    before = RunConfig(loss={"r1": 0.25, "penalty_every": 8})
    after = changed(before, {"loss.r1": "0.5"})
    assert after.loss.penalty_every == 8
    assert differences(before, after) == [("loss.r1", 0.25, 0.5)]


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().seed = 3


@pytest.mark.parametrize("items", [["loss.r1"], ["a=1", "b"]])
def test_an_assignment_needs_an_equals_sign(items):
    with pytest.raises(BadSetting, match="--set takes NAME=VALUE, got"):
        parse_assignments(items)


def test_assignments_keep_later_equals_signs():
    assert parse_assignments(["source=a=b", " seed = 3 "]) == {"source": "a=b", "seed": "3"}


def test_a_network_is_checked_by_its_architecture():
    from ganvas import models

    with pytest.raises(
        UnknownName, match=r"no setting is called 'network.latentsize'; did you mean 'network.latent_size'"
    ):
        models.network_config(changed(RunConfig(model="mlp"), {"network.latentsize": "3"}))
    with pytest.raises(BadSetting, match=r"network.latent_size takes whole number at least 1; got 0"):
        models.network_config(changed(RunConfig(model="mlp"), {"network.latent_size": "0"}))


@pytest.mark.parametrize("given", ["16,8", "[16, 8]", "(16, 8)"])
def test_a_list_of_sizes_can_be_typed(given):
    from ganvas import models

    made = models.network_config(changed(RunConfig(model="mlp"), {"network.generator_widths": given}))
    assert made.generator_widths == (16, 8)


def test_one_size_is_a_list_of_one():
    from ganvas import models

    assert models.network_config(
        changed(RunConfig(model="mlp"), {"network.generator_widths": "16"})
    ).generator_widths == (16,)
    with pytest.raises(
        BadSetting, match=r"network.generator_widths takes whole number .*or several with commas between; got"
    ):
        models.network_config(changed(RunConfig(model="mlp"), {"network.generator_widths": "wide"}))


def test_a_network_without_a_name_is_refused():
    with pytest.raises(BadSetting, match="network is a group of settings, got '3'"):
        changed(RunConfig(), {"network": "3"})


def test_sizes_of_networks_are_the_same_typed_or_as_text():
    typed = RunConfig(network={"generator_widths": (16, 8), "batch_norm": True, "activation": "relu", "lowest": 0.5})
    words = {"generator_widths": "16,8", "batch_norm": "true", "activation": "relu", "lowest": "0.5"}
    assert typed == RunConfig(network=words) == RunConfig.model_validate_json(typed.model_dump_json())


@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_toml_there_and_back(name, tmp_path):
    asked = presets.PRESETS[name]().but(source=presets.PRESETS[name]().source.replace("pictures", "digits"))
    (tmp_path / "mine.toml").write_text(to_toml(asked))
    assert presets.configure(preset=str(tmp_path / "mine.toml"), source=asked.source) == asked


@given(st.text(alphabet=string.printable + "é漢", max_size=30))
def test_any_text_survives_toml(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("toml") / "c.toml"
    path.write_text(to_toml(RunConfig(source=text)), encoding="utf-8", newline="")
    assert read_toml(path)["source"] == text
    path.unlink()


def test_numbers_survive_json_and_toml():
    asked = RunConfig(
        minutes=0.1, loss={"r1": 1e-7}, average={"half_life_images": 1e9}, optimiser={"generator_lr": 1 / 3}
    )
    assert RunConfig.model_validate_json(asked.model_dump_json()) == asked
    import tomllib

    assert config._dotted(tomllib.loads(to_toml(asked))) == {
        n: "none" if v is None else v for n, v in flat(asked).items()
    }


@pytest.mark.parametrize(("content", "word"), [("a = = b", "is not a TOML file"), (None, "cannot be read")])
def test_a_bad_toml_file_is_told(tmp_path, content, word):
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadSetting, match=word):
        read_toml(path)


def test_an_unknown_setting_in_a_file_gets_a_suggestion(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[loss]\nr3 = 1.0\n")
    with pytest.raises(UnknownName, match=r"loss\.r3"):
        presets.configure("digits", str(path))
