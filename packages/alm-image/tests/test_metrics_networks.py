"""LPIPS and Inception: values of other libraries on weights by a seed, and files that are something else."""

import types
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_image.metrics import LPIPS, Inception, inception
from alm_image.metrics.lpips import NETS, shapes
from metric_pictures import pair, seeded, smooth
from torch import Tensor


def save_lpips(folder: Path, net: str) -> dict[str, Tensor]:
    """Both files as torchvision and lpips have them, with what is not read beside."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = seeded(shapes(NETS[net]), 3)
    rest = {"classifier.1.weight": torch.zeros(2, 2)}
    torch.save({k: v for k, v in weights.items() if k[0] == "f"} | rest, folder / NETS[net].file)
    torch.save({k: v for k, v in weights.items() if k[0] == "l"}, folder / NETS[net].heads)
    return weights


@pytest.fixture(scope="module")
def alex_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lpips")
    save_lpips(folder, "alex")
    return folder


@pytest.fixture(scope="module")
def alex(alex_folder: Path) -> LPIPS:
    return LPIPS.load(folder=alex_folder)


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Torch's cache, empty, and no lpips."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("alm_image.metrics.lpips.package_folder", lambda package, under: None)
    return tmp_path / "torch" / "hub" / "checkpoints"


# LPIPS

# By lpips 0.1.4 with `LPIPS(net=net, pnet_rand=True, pretrained=False)`, in which the weights
# `seeded(shapes(NETS[net]), 3)` were set, of `pair(2, (47, 52), seed=30)`.
OF_LPIPS = {"alex": [0.0682869702577591, 0.27523618936538696], "vgg": [0.056810151785612106, 0.22444015741348267]}


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_that_of_the_lpips_package(net: str, tmp_path: Path) -> None:
    save_lpips(tmp_path, net)
    found = LPIPS.load(net, backbone=tmp_path / NETS[net].file, heads=tmp_path / NETS[net].heads)
    assert found(*pair(2, (47, 52), seed=30)).tolist() == pytest.approx(OF_LPIPS[net], rel=1e-4)


def test_lpips_of_equals_is_0_and_the_order_does_not_matter(alex: LPIPS) -> None:
    made, truth = pair(2, (40, 36), seed=1)
    assert alex(made, made).tolist() == [0, 0]
    torch.testing.assert_close(alex(made, truth), alex(truth, made))
    torch.testing.assert_close(alex(made, truth)[1:], alex(made[1:], truth[1:]))


def test_lpips_adds_what_each_head_weighs(alex: LPIPS) -> None:
    made, truth = pair(2, (40, 36), seed=2)
    parts = []
    for number in range(5):
        only = {k: v if k == f"lin{number}.model.1.weight" or k[0] == "f" else 0 * v for k, v in alex.weights.items()}
        parts.append(LPIPS("alex", only)(made, truth))
    torch.testing.assert_close(sum(parts), alex(made, truth))
    x, y = (each[3] for each in (alex.features(made), alex.features(truth)))
    x, y = (each / each.square().sum(1, keepdim=True).sqrt() for each in (x, y))
    weighed = (x - y).square() * alex.weights["lin3.model.1.weight"]
    torch.testing.assert_close(parts[3], weighed.sum(1).mean((1, 2)))


def test_the_background_is_what_the_mask_shows_black(alex: LPIPS) -> None:
    made, truth = pair(1, (40, 36), seed=3)
    mask = torch.zeros(1, 1, 40, 36)
    mask[..., 10:30, 5:25] = 1
    inside = truth + mask * (made - truth)
    assert float(alex.background(inside, truth, mask)) == 0
    assert float(alex(inside, truth)) > 0
    assert float(alex.background(made, truth, mask)) > 0


def test_lpips_weights_are_found_in_a_folder_in_torchs_cache_and_in_lpips(
    alex_folder: Path, alex: LPIPS, no_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"LPIPS \(alex\) wants the file alexnet-owt-7be5be79.pth: give it"):
        LPIPS.load()
    no_cache.mkdir(parents=True)
    (no_cache / "alexnet-owt-7be5be79.pth").symlink_to(alex_folder / "alexnet-owt-7be5be79.pth")
    with pytest.raises(FileNotFoundError, match=r"wants the file alex.pth: .* put it into .*checkpoints"):
        LPIPS.load()
    heads = tmp_path / "site" / "lpips" / "weights" / "v0.1"
    heads.mkdir(parents=True)
    (tmp_path / "site" / "lpips" / "__init__.py").write_text("raise ImportError('it wants torchvision')")
    (heads / "alex.pth").symlink_to(alex_folder / "alex.pth")
    monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(no_cache.parents[1]))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made, truth = pair(1, (40, 36), seed=4)
    assert float(LPIPS.load()(made, truth)) == float(alex(made, truth))


def test_files_that_hold_something_else_are_refused(alex_folder: Path, tmp_path: Path) -> None:
    heads, backbone = alex_folder / "alex.pth", alex_folder / "alexnet-owt-7be5be79.pth"
    with pytest.raises(FileNotFoundError, match=r"there is no .*none.pth: give the file of torchvision's alexnet"):
        LPIPS.load(backbone=tmp_path / "none.pth", heads=heads)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(ValueError, match="no file of lpips's alex"):
        LPIPS.load(backbone=backbone, heads=tmp_path / "text.pth")
    torch.save(types.SimpleNamespace(run="code"), tmp_path / "code.pth")
    with pytest.raises(ValueError, match="no file of torchvision's"):
        LPIPS.load(backbone=tmp_path / "code.pth", heads=heads)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="no weights by name"):
        LPIPS.load(backbone=tmp_path / "list.pth", heads=heads)
    with pytest.raises(ValueError, match=r"of LPIPS \(vgg\): of features.0.weight \(64, 3, 3, 3\) is wanted, got \(64"):
        LPIPS.load("vgg", backbone=backbone, heads=heads)
    with pytest.raises(ValueError, match="the net is one of alex, vgg, got 'squeeze'"):
        LPIPS.load("squeeze")


def test_pictures_too_small_for_the_net_are_refused(alex: LPIPS) -> None:
    assert alex(*pair(1, (31, 31), seed=0)).isfinite().all()
    with pytest.raises(ValueError, match="31 pixels a side"):
        alex(*pair(1, (30, 40), seed=0))


# Inception

# By torch-fidelity 0.4.0: FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=…) of the file with
# `seeded(shapes(), 4)`, of the levels of `pair(2, (75, 90), seed=31)[0]`: these columns, and means and deviations.
COLUMNS = [1, 10, 100, 1000, 2047]
OF_FIDELITY = [
    [0.0012787942541763186, 0.329762727022171, 0.6962987184524536, 0.35350847244262695, 0.0],
    [0.0007763786124996841, 0.37639176845550537, 0.74595046043396, 0.3398075997829437, 0.0],
]
MEANS, DEVIATIONS = [0.22280900180339813, 0.23357906937599182], [0.31199976801872253, 0.3266202509403229]


@pytest.fixture(scope="module")
def network() -> Inception:
    return Inception(seeded(inception.shapes(), 4))


def test_inception_is_that_of_torch_fidelity(network: Inception) -> None:
    found = network(pair(2, (75, 90), seed=31)[0])
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(found[:, COLUMNS], OF_FIDELITY, rtol=1e-4, atol=1e-5)
    assert found.mean(1).tolist() == pytest.approx(MEANS, rel=1e-4)
    assert found.std(1).tolist() == pytest.approx(DEVIATIONS, rel=1e-4)


def test_inception_reads_the_tensors_that_the_published_file_has() -> None:
    shapes = inception.shapes()
    assert len(shapes) == 94 * 5  # convolutions, each with its normalisation
    assert sum(int(np.prod(shape)) for name, shape in shapes.items() if "running" not in name) == 21785568
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["Mixed_6b.branch7x7dbl_2.conv.weight"] == (128, 128, 7, 1)


def test_pictures_are_squeezed_from_their_corner_without_smoothing() -> None:
    columns = torch.arange(598.0).expand(1, 3, 299, 598)
    found = inception._squeeze(columns)
    torch.testing.assert_close(found[0, 0, 7], 2 * torch.arange(299.0))
    small = inception._squeeze(torch.arange(13.0)[:, None].expand(1, 3, 13, 26))
    torch.testing.assert_close(small[0, 0, :, 9], (torch.arange(299) * 13 / 299).clamp(max=12), atol=1e-4, rtol=0)


def test_inceptions_file_is_found_in_torchs_cache_or_named(no_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Inception wants the file pt_inception-2015-12-05-6726825d.pth or"):
        Inception.load()
    no_cache.mkdir(parents=True)
    weights = {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 5, 5)}
    torch.save(weights, no_cache / "weights-inception-2015-12-05-6726825d.pth")
    with pytest.raises(ValueError, match=r"is not pt_inception.*\(32, 3, 3, 3\) is wanted, got \(32, 3, 5, 5\)"):
        Inception.load()


@pytest.mark.slow
def test_inception_loads_its_whole_file(network: Inception, tmp_path: Path) -> None:
    rest = {"fc.weight": torch.zeros(1008, 2048), "Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(0)}
    torch.save(network.weights | rest, tmp_path / "i.pth")
    picture = smooth(1, (20, 20), seed=5)
    torch.testing.assert_close(Inception.load(tmp_path / "i.pth")(picture), network(picture), atol=0, rtol=0)
