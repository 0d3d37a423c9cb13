"""DGFusion as published: golden vectors where they are, a formula's figures everywhere."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tardal_ros.errors import RigError

torch = pytest.importorskip("torch", reason="needs torch")

from benchmarks.dgfusion import straightforward  # noqa: E402
from tardal_ros.fusion import dgfusion  # noqa: E402
from tardal_ros.fusion.dgfusion import method as method_module  # noqa: E402
from tardal_ros.fusion.weights import Checkpoint, safetensors_bytes  # noqa: E402

# The phase jumps where rounding decides its sign, so results in float32 differ between libraries of Fourier transforms.
LARGEST, MEAN = 2e-3, 2e-4


@pytest.fixture(scope="module")
def golden(golden_file):
    return {name: torch.from_numpy(value) for name, value in golden_file("dgfusion_c4.npz").items()}


@pytest.fixture(scope="module")
def published(golden):
    """The golden file's weights, under the published names."""
    return {name.removeprefix("sd/"): value for name, value in golden.items() if name.startswith("sd/")}


@pytest.fixture
def conforming(published):
    """The network with the golden file's weights."""
    return dgfusion.build_network("golden", Checkpoint(published, None)).eval()


def _close(actual, expected, tolerance):
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance)


def _run(network, golden, dtype):
    with torch.inference_mode():
        return network.to(dtype)(golden["ir"].to(dtype), golden["ycrcb"][:, :1].to(dtype))


def _turned(spectrum):
    """Phases of whole spectra as ours are: pi, never -pi, where a frequency mirrors itself."""
    phase = spectrum.angle()
    own = [[0] if length % 2 else [0, length // 2] for length in spectrum.shape[-2:]]
    for row, column in itertools.product(*own):
        phase[..., row, column] = phase[..., row, column].abs()
    return phase


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_golden_output(golden, conforming, dtype, layout):
    difference = (_run(conforming.to(memory_format=layout), golden, dtype) - golden["out_y_fp64"]).abs()
    assert difference.max() < LARGEST
    assert difference.mean() < MEAN


def test_golden_output_but_for_the_sign_of_pi(golden, conforming):
    """With the phases of whole spectra it is exact; with ours, so is what is saved."""
    network = conforming.double()
    images = golden["ir"].double(), golden["ycrcb"][:, :1].double()
    with torch.inference_mode():
        _close(straightforward(network, *images), golden["out_y_fp64"].double(), 1e-7)
        _close(network(*images), straightforward(network, *images, _turned), 1e-10)


def test_golden_spectra(golden, conforming):
    with torch.inference_mode():
        spectra = conforming.spectra(golden["ir"], golden["ycrcb"][:, :1])
    for name, actual in zip(("sub", "aps", "asp"), spectra, strict=True):
        expected = golden[f"{name}_ch0_ch16"]
        assert (actual[:, [0, 16]] - expected).abs().mean() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (2, 2), (7, 5), (8, 9), (12, 10)])
def test_equal_to_the_straightforward_form(size):
    torch.manual_seed(1)
    network = dgfusion.DiscrepancyGuidedFusion(2).double()
    images = [torch.rand(2, 1, *size, dtype=torch.float64) for _ in range(2)]
    with torch.inference_mode():
        _close(network(*images), straightforward(network, *images, _turned), 1e-10)


def _formula_state(channels):
    """Weights from arithmetic alone, the same on every machine, under the published names."""
    state = {}
    shapes = dgfusion.published_state(dgfusion.DiscrepancyGuidedFusion(channels))
    for number, name in enumerate(sorted(shapes)):
        shape = tuple(shapes[name].shape)
        steps = (np.arange(np.prod(shape), dtype=np.int64) * 7919 + number * 104_729) % 1009
        spread = (steps / 504.0 - 1.0).reshape(shape)
        gain = 2.0 / np.sqrt(np.prod(shape[1:])) if len(shape) == 4 else 0.1
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        state[name] = torch.from_numpy(around + gain * spread)
    return state


def _seeded_images(dtype):
    """Infrared and visible, (1, 1, 16, 16) in [0, 1], from arithmetic."""
    steps = np.arange(256, dtype=np.int64)
    levels = ((steps * steps * 31 + steps * 17) % 256, (steps * 97 + 13) % 256)
    return [torch.from_numpy(image / 255.0).to(dtype).reshape(1, 1, 16, 16) for image in levels]


# Taken once from code that reproduces the golden vectors.
FIGURES = [
    0.1772094,
    -0.0472967,
    0.0904590,
    -0.0003831,
    -0.0219736,
    1.1378120,
    0.0586335,
    0.1983421,
    0.3455151,
    1.3177990,
]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, LARGEST)])
def test_figures_of_seeded_weights(dtype, tolerance):
    network = dgfusion.build_network("formula", Checkpoint(_formula_state(4), None)).to(dtype)
    with torch.inference_mode():
        image = network(*_seeded_images(dtype))[0, 0].double()
    points = [image[y, x] for y, x in ((0, 0), (0, 15), (15, 0), (15, 15), (7, 8), (3, 11), (12, 5))]
    figures = torch.stack([*points, image.mean(), image.std(), image.abs().max()]).numpy()
    np.testing.assert_allclose(figures, FIGURES, rtol=0.0, atol=tolerance)


def test_size_of_the_network():
    network = dgfusion.DiscrepancyGuidedFusion()
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_091_971
    state = dgfusion.published_state(network)
    assert len(state) == 128
    assert sum(value.numel() for value in state.values()) == 4_275_859


def test_published_names_and_shapes(published, conforming):
    written = dgfusion.published_state(conforming)
    assert {name: value.shape for name, value in written.items()} == {
        name: value.shape for name, value in published.items()
    }
    again = dgfusion.build_network("again", Checkpoint(written, None))
    for name, value in conforming.state_dict().items():
        _close(again.state_dict()[name], value, 0.0)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = dgfusion.DiscrepancyGuidedFusion(2).train()
    network(*(torch.rand(2, 1, 9, 6) for _ in range(2))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0.0, name


def test_a_step_down_the_gradient_goes_down():
    torch.manual_seed(0)
    network = dgfusion.DiscrepancyGuidedFusion(2).double()
    images = [torch.rand(1, 1, 8, 8, dtype=torch.float64) for _ in range(2)]
    before = (network(*images) - images[0]).square().mean()
    before.backward()
    slope = sum(parameter.grad.square().sum() for parameter in network.parameters())
    step = 1e-7
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= step * parameter.grad
        after = (network(*images) - images[0]).square().mean()
    assert (before - after).item() == pytest.approx(step * slope.item(), rel=0.01)


def test_a_batch_is_fused_like_single_images(conforming):
    images = [torch.rand(3, 1, 20, 15) for _ in range(2)]
    with torch.inference_mode():
        batch = conforming(*images)
        singles = [conforming(*(image[i : i + 1] for image in images)) for i in range(3)]
        again = conforming(*images)
    difference = (batch - torch.cat(singles)).abs()
    assert difference.max() < LARGEST
    assert difference.mean() < MEAN
    _close(again, batch, 0.0)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (6, 8), (3, 5)])
def test_constant_images(conforming, level, size):
    with torch.inference_mode():
        fused = conforming(*(torch.full((1, 1, *size), level) for _ in range(2)))
    assert fused.shape == (1, 1, *size)
    assert torch.isfinite(fused).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e38])
def test_what_is_not_finite_becomes_small(conforming, value):
    images = [torch.rand(1, 1, 6, 8) for _ in range(2)]
    images[0][0, 0, 2, 3] = value
    with torch.inference_mode():
        fused = conforming(*images)
        expected = conforming.head(torch.full((1, 16, 6, 8), 1e-5))
    assert torch.isfinite(fused).all()
    if value != 1e38:
        _close(fused, expected, 1e-7)


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    """Saves anything as a torch file of its own."""

    def write(content, name="dgfusion.pth"):
        path = tmp_path_factory.mktemp("weights") / name
        torch.save(content, path)
        return path

    return write


@pytest.fixture
def formula_state():
    return _formula_state(2)


def _without(state, start):
    return {name: value for name, value in state.items() if not name.startswith(start)}


def test_files_of_all_kinds(formula_state, save, tmp_path):
    network = dgfusion.build_network("formula", Checkpoint(formula_state, None))
    ours = tmp_path / "ours.safetensors"
    ours.write_bytes(safetensors_bytes(network.state_dict(), {}))
    module = {f"module.{name}": value for name, value in formula_state.items()}
    files = [
        ours,
        save(formula_state),
        save({"params": module}),
        save({"params_ema": formula_state, "params": {}}),
        save(_without(_without(formula_state, "attention_module"), "freprocess.post")),
        save({**formula_state, "attention_module.wq.0.weight": torch.zeros(3)}),
    ]
    for path in files:
        loaded = dgfusion.load_network(path)
        assert loaded.channels == 2
        assert not loaded.training
        for name, value in network.state_dict().items():
            _close(loaded.state_dict()[name], value, 0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: _without(state, "final_conv.2.bias"), "has no 'final_conv.2.bias'"),
        (lambda state: _without(state, "freprocess.b"), "has no 'freprocess.b'"),
        (lambda state: {**state, "zoom.weight": torch.zeros(1)}, "also has 'zoom.weight'"),
        (
            lambda state: {**state, "freprocess.pre1.0.weight": torch.zeros(3, 1, 3, 3)},
            r"'freprocess.pre1.0.bias' is \(2,\) instead of \(3,\)",
        ),
        (
            lambda state: {**state, "interaction.fuse.0.weight": torch.zeros(4, 16, 3, 3)},
            r"'interaction.fuse.0.weight' is \(4, 16, 3, 3\) instead of \(8, 16, 3, 3\)",
        ),
        (
            lambda state: {**state, "freprocess.pre1.0.weight": torch.zeros(100_000, 1, 3, 3)},
            r"'freprocess.pre1.0.bias' is \(2,\) instead of \(100000,\)",
        ),
        (lambda state: {"freprocess.pre1.0.weight": torch.zeros(0, 1, 3, 3)}, r"is \(0, 1, 3, 3\) instead of"),
        (lambda state: {"visible_encoder.0.weight": torch.zeros(2, 1, 3, 3)}, "has no 'visible_encoder.0.bias'"),
        (lambda state: {"encoder.0.weight": torch.zeros(32, 2, 3, 3)}, "has no 'visible_encoder.0.weight'"),
    ],
)
def test_weights_of_another_network(formula_state, save, change, words):
    path = save(change(formula_state))
    with pytest.raises(RigError, match=words) as caught:
        dgfusion.DgfusionMethod(path, "cpu")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_weights():
    with pytest.raises(RigError, match="needs weights"):
        dgfusion.DgfusionMethod(None)


@pytest.fixture
def method(formula_state, save):
    return dgfusion.DgfusionMethod(save(formula_state), "cpu")


def _pair(size=(24, 31), seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, size, np.uint8) for _ in range(2)]


def test_eight_bits_in_and_out(method, formula_state):
    visible, infrared = _pair()
    network = dgfusion.build_network("formula", Checkpoint(formula_state, None))
    with torch.inference_mode():
        output = network(*(torch.from_numpy(image)[None, None] / 255.0 for image in (infrared, visible)))
    expected = np.rint(np.clip(output[0, 0].numpy(), 0.0, 1.0) * 255.0)
    fused = method.fuse_luma(visible, infrared)
    assert fused.dtype == np.uint8
    assert fused.shape == visible.shape
    assert fused.std() > 0.0
    assert np.abs(fused - expected).max() <= 1.0
    assert (fused == expected).mean() > 0.99


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 3)])
def test_any_size(method, size):
    assert method.fuse_luma(*_pair(size)).shape == size


def test_views_of_read_only_images(method):
    images = [np.repeat(image, 2, axis=1) for image in _pair()]
    for image in images:
        image.flags.writeable = False
    expected = method.fuse_luma(*_pair())
    np.testing.assert_array_equal(method.fuse_luma(*(image[:, ::2] for image in images)), expected)


def test_threads_and_repetition_change_nothing(method):
    pairs = [_pair(seed=seed) for seed in range(4)] * 2
    alone = [method.fuse_luma(*pair) for pair in pairs]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda pair: method.fuse_luma(*pair), pairs))
    np.testing.assert_array_equal(together, alone)


def test_too_large_for_the_memory(method, monkeypatch):
    pair = _pair((40, 50))
    needed = method_module.bytes_needed((40, 50), 2)
    monkeypatch.setattr(method_module, "free_bytes", lambda device: needed)
    method.fuse_luma(*pair)
    monkeypatch.setattr(method_module, "free_bytes", lambda device: needed // 4)
    with pytest.raises(RigError, match=r"for 50x40 pixels on cpu.*scale to 0\.\d+ of what it is") as caught:
        method.fuse_luma(*pair)
    scale = float(str(caught.value).split("scale to ")[1].split()[0])
    width, height = map(int, str(caught.value).split(" for ")[-1].split()[0].split("x"))
    assert scale == pytest.approx(0.5, abs=0.011)
    assert (width, height) == (int(50 * scale), int(40 * scale))
    method.fuse_luma(*_pair((height, width)))


def test_hardly_any_memory(method, monkeypatch):
    monkeypatch.setattr(method_module, "free_bytes", lambda device: 1)
    with pytest.raises(RigError, match=r"scale to 0\.01 of"):
        method.fuse_luma(*_pair())


class _Failing(torch.nn.Module):
    channels = 2

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, infrared, visible):
        raise self.error


def test_out_of_memory_is_one_sentence(method):
    method._network = _Failing(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried\nto allocate"))
    with pytest.raises(RigError, match=r"ran out of memory for 31x24 pixels on cpu.*scale to 0\.7 of") as caught:
        method.fuse_luma(*_pair())
    assert "\n" not in str(caught.value)


def test_other_errors_stay_what_they_are(method):
    method._network = _Failing(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        method.fuse_luma(*_pair())
