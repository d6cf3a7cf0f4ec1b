"""The contract of every architecture, whatever its file does inside."""

import copy
import math

import pytest
import torch
from torch import nn

from ganvas import models
from ganvas.config import RunConfig
from ganvas.errors import BadSetting, UnknownName
from ganvas.models import lean
from tiny import SIZES, make_pictures, tiny_config

SHAPES = [(1, 28, 28), (3, 64, 64), (3, 48, 80), (4, 37, 53), (2,)]
PICTURES = [shape for shape in SHAPES if len(shape) == 3]


def supports(name, shape):
    if name == "stylise":
        return len(shape) == 3 and shape[0] == 3
    return len(shape) == 3 or name in {"mlp", "vae"}


def inputs(architecture, networks, count, shape):
    """What the sampler takes."""
    if architecture.takes == "pictures":
        return torch.rand(count, *shape) * 2 - 1
    return torch.randn(count, networks[architecture.sampler].latent_size)


def build(name, shape, **network):
    torch.manual_seed(0)
    config = RunConfig(model=name, network=SIZES.get(name, {}) | network)
    return models.load(name), models.build(config, shape)


EVERY = [
    pytest.param(n, s, id=f"{n}-{'x'.join(map(str, s))}") for n in models.names() for s in SHAPES if supports(n, s)
]
JUDGED = [p for p in EVERY if "discriminator" in build(*p.values)[1]]


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_the_sampler_makes_samples(name, shape):
    architecture, networks = build(name, shape)
    sampler = networks[architecture.sampler]
    given = inputs(architecture, networks, 5, shape)
    samples = sampler(given)
    assert samples.shape == (5, *shape)
    assert samples.dtype == torch.float32
    if len(shape) == 3:
        assert samples.min() >= -1
        assert samples.max() <= 1
    assert samples.std(0).mean() > 1e-4  # what is given makes a difference
    sampler.eval()
    torch.testing.assert_close(sampler(given)[:2], sampler(given[:2]))


@pytest.mark.parametrize(("name", "shape"), JUDGED)
def test_discriminators_return_one_logit_per_sample(name, shape):
    _, networks = build(name, shape)
    samples = torch.rand(5, *shape) * 2 - 1
    logits = networks["discriminator"](samples)
    assert logits.shape == (5,)
    assert networks["discriminator"](samples[:1].expand(2, *shape)).shape == (2,)


@pytest.mark.parametrize(("name", "shape"), JUDGED)
def test_independent_means_each_sample_is_judged_by_itself(name, shape):
    architecture, networks = build(name, shape)
    samples = torch.rand(6, *shape) * 2 - 1
    others = torch.cat([samples[:3], torch.zeros(3, *shape)])
    same = torch.allclose(networks["discriminator"](samples)[:3], networks["discriminator"](others)[:3], atol=1e-6)
    assert same == architecture.independent


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_networks_can_be_copied_and_stored(name, shape):
    architecture, networks = build(name, shape)
    _, others = build(name, shape)
    assert set(architecture.averaged) <= set(networks)
    for role, network in networks.items():
        twin = copy.deepcopy(network)
        for weight in others[role].parameters():
            weight.data.add_(1)
        others[role].load_state_dict(network.state_dict())
        for one, two, three in zip(*(n.state_dict().values() for n in (network, twin, others[role])), strict=True):
            assert torch.equal(one, two)
            assert torch.equal(one, three)
            assert one.data_ptr() != two.data_ptr()


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_every_weight_has_a_gradient_and_starts_finite(name, shape):
    architecture, networks = build(name, shape)
    sampler = networks[architecture.sampler]
    total = sampler(inputs(architecture, networks, 4, shape)).square().sum()
    if "discriminator" in networks:
        total = total + networks["discriminator"](torch.rand(4, *shape)).square().sum()
    if "encoder" in networks:
        total = total + networks["encoder"](torch.rand(4, *shape)).square().sum() + sampler.log_variance
    total.backward()
    for role, network in networks.items():
        for part, weight in network.named_parameters():
            assert torch.isfinite(weight).all()
            assert weight.grad is not None, f"{role}.{part}"
            assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("name", models.names())
def test_the_same_seed_builds_the_same_networks(name):
    one, other = (build(name, (3, 16, 16))[1] for _ in range(2))
    for role in one:
        for a, b in zip(one[role].state_dict().values(), other[role].state_dict().values(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", models.names())
def test_every_architecture_names_its_source_and_reads_its_own_settings(name):
    architecture = models.load(name)
    assert architecture.source
    assert models.network_config(RunConfig(model=name)) == architecture.config()
    size = "width" if architecture.takes == "pictures" else "latent_size"
    with pytest.raises(UnknownName, match=rf"'network\.{size}s'; did you mean 'network\.{size}'"):
        models.network_config(RunConfig(model=name, network={f"{size}s": 3}))
    with pytest.raises(BadSetting, match=rf"network\.{size} takes whole number at least 1; got 0"):
        models.network_config(RunConfig(model=name, network={size: 0}))


@pytest.mark.parametrize(("given", "message"), [
    ("dcgn", r"no architecture is called 'dcgn'; did you mean 'dcgan'\? Known: "),
    ("no.such.module", r"no architecture is called 'no\.such\.module'"),
    ("json.decoder", r"no architecture is called 'json\.decoder'"),
])  # fmt: skip
def test_unknown_architectures_are_refused(given, message):
    with pytest.raises(UnknownName, match=message) as caught:
        models.load(given)
    assert all(name in str(caught.value) for name in models.names())


@pytest.mark.parametrize("name", [name for name in models.names() if not supports(name, (2,))])
@pytest.mark.parametrize("shape", [(2,), (1, 7, 20)])
def test_convolutions_refuse_points_and_pictures_too_small(name, shape):
    with pytest.raises(BadSetting, match="at least 8 x 8 pixels, got samples of shape"):
        build(name, shape)


def test_a_stylist_refuses_pictures_without_colour():
    with pytest.raises(BadSetting, match=r"got 1 channels; set data\.channels=rgb"):
        build("stylise", (1, 16, 16))


@pytest.mark.parametrize("size", [(8, 8), (9, 30), (33, 8), (61, 50), (128, 128)])
def test_a_stylist_keeps_every_size(size):
    stylist = build("stylise", (3, 16, 16))[1]["stylist"].eval()
    assert stylist(torch.rand(1, 3, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_dcgan_refuses_penalties_beside_batch_normalisation(penalty):
    with pytest.raises(BadSetting, match=rf"loss\.{penalty}.* penalise.*network\.discriminator_norm=false"):
        tiny_config("dcgan", make_pictures(), loss={penalty: 0.1})
    tiny_config("dcgan", make_pictures(), loss={penalty: 0.1}, network={"discriminator_norm": False})


def test_a_latent_skip_needs_latents_of_the_size_of_points():
    with pytest.raises(BadSetting, match=r"latent_size is 5; make it 2, or set network\.latent_skip=false"):
        build("mlp", (2,), latent_skip=True, latent_size=5)
    build("mlp", (2,), latent_skip=True, latent_size=2)


@pytest.mark.parametrize("options", [
    {"batch_norm": True},
    {"latent_skip": True},
    {"generator_frequencies": 3, "discriminator_frequencies": 5},
    {"activation": "leaky"},
])  # fmt: skip
@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_options_of_perceptrons_keep_the_contract(options, shape):
    _, networks = build("mlp", shape, **options)
    assert networks["generator"](torch.randn(4, 2)).shape == (4, *shape)
    assert networks["discriminator"](torch.rand(4, *shape)).shape == (4,)


def measured_multiply_adds(network, *inputs):
    """Multiply-adds of the convolutions of one forward pass of one sample, counted while it runs."""
    total = 0

    def count(module, _, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("shape", PICTURES)
def test_the_width_of_lean_grows_with_compute_and_stays_in_its_budget(shape):
    widths = []
    for compute in (1.5, 6.0, 24.0):
        config = lean.Config(compute=compute)
        widths.append(lean.chosen_width(config, shape))
        networks = lean.build(config, shape)
        budget = compute * 1e6 * math.prod(shape[1:]) / 1024
        spent = [
            measured_multiply_adds(networks["generator"], torch.zeros(1, 64)),
            measured_multiply_adds(networks["discriminator"], torch.zeros(1, *shape)),
        ]
        assert widths[-1] == 8 or max(spent) <= budget, (compute, spent, budget)
        if min(shape[1:]) % 8 == 0 or shape[1:] == (28, 28):
            assert list(lean.multiply_adds(widths[-1], shape)) == pytest.approx(spent, rel=0.01)
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    assert lean.chosen_width(lean.Config(width=20), shape) == 20


def test_parameters_are_counted():
    assert models.count_parameters(nn.Linear(3, 4)) == 16
