"""The generator as published: golden vectors where they are, a formula's figures everywhere."""

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import create_fuser

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.fusion import tardal  # noqa: E402
from tardal_ros.fusion.weights import Checkpoint  # noqa: E402

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def golden(golden_file):
    return {name: torch.from_numpy(value) for name, value in golden_file("tardal_generator.npz").items()}


@pytest.fixture
def published(golden):
    """The generator with the golden file's weights."""
    generator = tardal.Generator(dim=32, depth=3)
    state = {name.removeprefix("sd/"): value for name, value in golden.items() if name.startswith("sd/")}
    generator.load_state_dict(state)
    return generator


def _close(actual, expected, tolerance=TOLERANCE):
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("prepare", [lambda generator: generator, tardal.fold], ids=["as built", "folded"])
def test_golden_running_statistics(golden, published, prepare):
    network = prepare(published.eval())
    with torch.inference_mode():
        _close(network(golden["ir"], golden["vi"]), golden["out_eval"])
        _close(network(golden["odd_ir"], golden["odd_vi"]), golden["odd_out_eval"])


def test_golden_dense_block(golden, published):
    with torch.inference_mode():
        features = published.eval().features(golden["ir"][:1], golden["vi"][:1])
    _close(features[:, :, :16, :24], golden["dense_concat_eval_img0"])


def test_golden_batch_statistics(golden, published):
    network = tardal.normalise_by_image(published)
    with torch.inference_mode():
        _close(network(golden["ir"], golden["vi"]), golden["out_batchstat_b2"])
        singles = [network(golden["ir"][i : i + 1], golden["vi"][i : i + 1]) for i in range(2)]
    _close(torch.cat(singles), golden["out_batchstat_b1"])


def test_golden_training_updates_the_running_mean(golden, published):
    published.train()(golden["ir"], golden["vi"])
    _close(published.encoder[1].running_mean, golden["encoder_running_mean_after_train_b2"])


def _seeded_images():
    """Infrared and visible, (1, 1, 16, 16) in [0, 1], from arithmetic."""
    steps = np.arange(256, dtype=np.int64)
    levels = ((steps * steps * 31 + steps * 17) % 256, (steps * 97 + 13) % 256)
    return [torch.from_numpy((image / 255.0).astype(np.float32).reshape(1, 1, 16, 16)) for image in levels]


def _figures(output):
    image = output[0, 0].double()
    points = [image[y, x] for y, x in ((0, 0), (0, 15), (15, 0), (15, 15), (7, 8), (3, 11), (12, 5))]
    return torch.stack([*points, image.mean(), image.std(), image.abs().max()]).numpy()


# Taken once from code that reproduces the golden vectors.
RUNNING = [0.088494, 0.076810, 0.155355, 0.139775, 0.130095, 0.119058, 0.104677, 0.051297, 0.113336, 0.384478]
BY_IMAGE = [0.063105, 0.305698, -0.183793, 0.903653, 0.485092, -0.124679, -0.367462, 0.122420, 0.443278, 0.952198]


def test_figures_of_seeded_weights(formula_state):
    generator = tardal.Generator()
    generator.load_state_dict(formula_state(32))
    generator.eval()
    with torch.inference_mode():
        for network in (generator, tardal.fold(generator)):
            np.testing.assert_allclose(_figures(network(*_seeded_images())), RUNNING, rtol=0.0, atol=TOLERANCE)
        by_image = tardal.normalise_by_image(generator)(*_seeded_images())
    np.testing.assert_allclose(_figures(by_image), BY_IMAGE, rtol=0.0, atol=TOLERANCE)


def test_size_of_the_network():
    assert sum(parameter.numel() for parameter in tardal.Generator().parameters()) == 296_577


def test_gradients_reach_every_parameter():
    generator = tardal.Generator(dim=4).train()
    generator(*(torch.rand(2, 1, 9, 7) for _ in range(2))).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in generator.parameters())


def test_normalising_by_image_leaves_the_buffers_alone(formula_state):
    generator = tardal.Generator(4)
    generator.load_state_dict(formula_state())
    tardal.normalise_by_image(generator)(*_seeded_images())
    for name, value in generator.state_dict().items():
        torch.testing.assert_close(value, formula_state()[name], rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("flag", "count", "expected"),
    [(True, 0, True), (False, 9, False), (None, 0, False), (None, 9, True), (None, None, True)],
)
def test_which_statistics_a_file_wants(flag, count, expected):
    state = {} if count is None else {"encoder.1.num_batches_tracked": torch.tensor(count)}
    assert tardal.uses_running_statistics(Checkpoint(state, flag)) is expected


def test_the_flag_changes_the_image(formula_state, save_weights, make_pair):
    running, by_image, untold, untrained = (
        create_fuser("tardal", save_weights(state), "cpu").fuse(*make_pair())
        for state in (
            {**formula_state(), "use_eval": True},
            {**formula_state(), "use_eval": False},
            formula_state(),
            {name: value * (value.ndim > 0) for name, value in formula_state().items()},
        )
    )
    np.testing.assert_array_equal(untold, running)
    np.testing.assert_array_equal(untrained, by_image)
    assert not np.array_equal(running, by_image)


def test_eight_bits_in_and_out(formula_state, save_weights, make_pair):
    visible, infrared = make_pair()
    visible = visible[..., 0].copy()
    generator = tardal.Generator(4).eval()
    generator.load_state_dict(formula_state())
    with torch.inference_mode():
        output = generator(*(torch.from_numpy(image)[None, None] / 255.0 for image in (infrared, visible)))
    expected = np.rint(np.clip(output[0, 0].numpy(), 0.0, 1.0) * 255.0)
    fused = create_fuser("tardal", save_weights(formula_state()), "cpu").fuse(visible, infrared)
    assert np.abs(fused - expected).max() <= 1.0
    assert (fused == expected).mean() > 0.99


def test_other_dimensions_load(save_weights):
    state = tardal.Generator(dim=4, depth=2).state_dict()
    network = tardal.load_generator(save_weights(state))
    assert len(network.dense) == 2


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: _without(state, "dense.1.0.bias"), "has no 'dense.1.0.bias'"),
        (lambda state: {**state, "zoom.weight": torch.zeros(1)}, "also has 'zoom.weight'"),
        (
            lambda state: {**state, "fuse.3.0.weight": torch.zeros(3, 4, 3, 3)},
            r"\(3, 4, 3, 3\) instead of \(1, 4, 3, 3\)",
        ),
        (lambda state: {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "has no 'encoder.0.weight'"),
        (lambda state: {"encoder.0.weight": torch.zeros(4096, 3, 7, 7)}, r"instead of \(32, 2, 3, 3\)"),
    ],
)
def test_weights_of_another_network(formula_state, save_weights, change, words):
    path = save_weights(change(formula_state()))
    with pytest.raises(RigError, match=words) as caught:
        create_fuser("tardal", path, "cpu")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cuda:-1", "mps", "meta", "", None])
def test_devices_that_are_not_there(name, formula_state, save_weights):
    with pytest.raises(RigError, match="auto"):
        create_fuser("tardal", save_weights(formula_state()), name)
