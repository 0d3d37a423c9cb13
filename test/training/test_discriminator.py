"""The discriminators as published: golden vectors where they are, a formula's figures everywhere."""

import numpy as np
import pytest

from tardal_ros.errors import RigError

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.training.discriminator import (  # noqa: E402
    Discriminator,
    discriminator_loss,
    divergence_penalty,
    generator_adversarial,
)


@pytest.fixture(scope="module")
def golden(golden_file):
    return {name: torch.from_numpy(value) for name, value in golden_file("tardal_discriminator.npz").items()}


def _published(golden, activation="leaky_relu"):
    discriminator = Discriminator((64, 96), activation=activation)
    state = {name.removeprefix("sd/"): value for name, value in golden.items() if name.startswith("sd/")}
    discriminator.load_state_dict(state)
    return discriminator


def _small():
    """A narrow one with weights, and images, from a formula."""
    discriminator = Discriminator((16, 24), dim=4)
    state = discriminator.state_dict()
    for number, (name, value) in enumerate(state.items()):
        steps = (np.arange(value.numel(), dtype=np.int64) * 7919 + number * 104_729) % 1009
        values = (steps / 504.0 - 1.0) * (2.0 / np.sqrt(np.prod(value.shape[1:])) if value.ndim > 1 else 0.1)
        state[name] = torch.from_numpy(values.astype(np.float32)).reshape(value.shape)
    discriminator.load_state_dict(state)
    steps = np.arange(2 * 16 * 24, dtype=np.int64)
    levels = ((steps * steps * 31 + steps * 17) % 256, (steps * 97 + 13) % 256)
    real, fake = (torch.from_numpy((each / 255.0).astype(np.float32)).reshape(2, 1, 16, 24) for each in levels)
    return discriminator, real, fake, torch.tensor([0.25, 0.8]).reshape(2, 1, 1, 1)


def _close(actual, expected, absolute=1e-5, relative=0.0):
    torch.testing.assert_close(actual, expected, rtol=relative, atol=absolute)


def test_golden_verdicts(golden):
    with torch.inference_mode():
        _close(_published(golden)(golden["real"]), golden["out_real"])
        _close(_published(golden)(golden["fake"]), golden["out_fake"])
        _close(_published(golden, "relu")(golden["real"]), golden["out_real_relu_v0"])


def test_golden_divergence(golden):
    real, fake, alpha = (golden[name] for name in ("real", "fake", "alpha"))
    penalty = divergence_penalty(_published(golden), real, fake, alpha)
    _close(penalty, 2 * golden["gp_div"], relative=1e-3)
    norms = divergence_penalty(_published(golden), real, fake, alpha, k=1.0, p=1.0)
    _close(norms, golden["gp_norms"].mean(), relative=1e-3)


def test_golden_loss_and_its_gradients(golden):
    discriminator = _published(golden)
    loss = discriminator_loss(discriminator, golden["real"], golden["fake"], golden["alpha"])
    _close(loss, golden["d_loss"], relative=1e-3)
    loss.backward()
    _close(discriminator.conv[0][0].weight.grad, golden["grad_conv0_weight"], absolute=1e-2, relative=1e-3)
    _close(discriminator.linear.weight.grad.abs().max(), golden["grad_linear_weight_absmax"], relative=1e-3)
    _close(discriminator.linear.bias.grad, golden["grad_linear_bias"])


# Taken once from code that reproduces the golden vectors: verdicts, penalty, loss, and sizes of gradients.
FIGURES = [-0.267262, -0.389429, -0.102169, -0.191396, 0.268284, 0.449847, 0.177751, 0.080162, 0.029752, 1.135733]


def test_figures_of_seeded_weights():
    discriminator, real, fake, alpha = _small()
    penalty = divergence_penalty(discriminator, real, fake, alpha)
    loss = discriminator_loss(discriminator, real, fake, alpha)
    loss.backward()
    slopes = [discriminator.conv[layer][0].weight.grad.abs().mean() for layer in range(3)]
    verdicts = [*discriminator(real).flatten(), *discriminator(fake).flatten()]
    figures = torch.stack([*verdicts, penalty, loss, *slopes, discriminator.linear.weight.grad.abs().max()])
    np.testing.assert_allclose(figures.detach().numpy(), FIGURES, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("size", "count"), [((224, 224), 193_025), ((320, 320), 297_473)])
def test_size_of_the_network(size, count):
    assert sum(parameter.numel() for parameter in Discriminator(size).parameters()) == count


def test_published_keys():
    expected = {f"conv.{layer}.0.{kind}" for layer in range(3) for kind in ("weight", "bias")}
    assert set(Discriminator((16, 16)).state_dict()) == expected | {"linear.weight", "linear.bias"}


@pytest.mark.parametrize("size", [(60, 64), (64, 60), (0, 64), (64, -8)])
def test_a_size_that_cannot_be_halved_is_refused(size):
    with pytest.raises(RigError, match=f"{size[0]}x{size[1]}: give multiples of 8"):
        Discriminator(size)


def test_images_of_another_size_are_refused():
    with pytest.raises(RigError, match="16x24 got 24x16"):
        Discriminator((16, 24))(torch.rand(1, 1, 24, 16))


def test_the_generator_is_told_and_the_discriminator_learns_nothing_from_it():
    # The published code once computed this without gradients, and later let the discriminators learn from it.
    discriminator, _, fake, _ = _small()
    fake.requires_grad_()
    loss = generator_adversarial(discriminator, fake)
    _close(loss, -discriminator(fake).mean())
    loss.backward()
    assert torch.isfinite(fake.grad).all()
    assert fake.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in discriminator.parameters())


def test_the_discriminator_learns_and_the_generator_is_not_touched():
    discriminator, real, fake, alpha = _small()
    fake.requires_grad_()
    discriminator_loss(discriminator, real, fake, alpha).backward()
    assert fake.grad is None
    assert all(torch.isfinite(parameter.grad).all() for parameter in discriminator.parameters())


def test_the_two_sides_are_adversaries():
    # The paper prints the same expression for both.
    discriminator, real, fake, alpha = _small()
    learner = torch.optim.SGD(discriminator.parameters(), lr=1e-3)

    def apart():
        with torch.inference_mode():
            return float(discriminator(real).mean() - discriminator(fake).mean())

    before = apart()
    for _ in range(20):
        learner.zero_grad()
        discriminator_loss(discriminator, real, fake, alpha, k=0.0).backward()
        learner.step()
    assert apart() > before
    seen = fake.clone().requires_grad_()
    generator_adversarial(discriminator, seen).backward()
    with torch.inference_mode():
        assert discriminator(fake - 1e-3 * seen.grad).mean() > discriminator(fake).mean()


def test_a_discriminator_that_does_not_care_has_a_finite_penalty():
    discriminator, real, fake, alpha = _small()
    torch.nn.init.zeros_(discriminator.linear.weight)
    divergence_penalty(discriminator, real, fake, alpha).backward()
    assert all(torch.isfinite(each.grad).all() for each in discriminator.parameters() if each.grad is not None)


def test_the_penalty_has_a_second_derivative():
    torch.manual_seed(0)
    discriminator = Discriminator((8, 8), dim=1).double()
    real, fake = torch.rand(2, 1, 1, 8, 8, dtype=torch.float64)
    alpha = torch.full((1, 1, 1, 1), 0.4, dtype=torch.float64)
    weight = discriminator.conv[0][0].weight

    def penalty(value):
        state = dict(discriminator.named_parameters()) | {"conv.0.0.weight": value}
        return divergence_penalty(
            lambda image: torch.func.functional_call(discriminator, state, (image,)), real, fake, alpha, p=2.0
        )

    assert torch.autograd.gradcheck(penalty, (weight.detach().clone().requires_grad_(),))
