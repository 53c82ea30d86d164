"""Weights from files and the hub's cache: loading, replaced classifiers, refusals and frozen backbones."""

from __future__ import annotations

import pickle
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from residerm.config import ModelOptions, ResNetOptions
from residerm.errors import ResidermError, UsageError
from residerm.models.model import Model
from residerm.models.start import build_initial_model
from residerm.models.weights import WeightsError, load_weights
from residerm.models.zoo import build

COMMIT = "a" * 40


@pytest.fixture
def model() -> Model:
    return build("resnet20", 7, 32)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty offline cache, and a function that stores and returns weights of a timm network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def put(name: str, tag: str, commit: str = COMMIT, newest: bool = True) -> dict[str, torch.Tensor]:
        weights = timm.create_model(name).state_dict()
        folder = tmp_path / "cache" / f"models--timm--{name}.{tag}"
        for place in (folder / "refs", folder / "snapshots" / commit):
            place.mkdir(parents=True)
        if newest:
            (folder / "refs" / "main").write_text(commit)
        save_file(weights, folder / "snapshots" / commit / "model.safetensors")
        return weights

    return put


def same(model: Model, weights: dict[str, torch.Tensor]) -> bool:
    own = model.network.state_dict()
    assert own.keys() == weights.keys()
    return all(torch.equal(own[key], value) for key, value in weights.items())


def other_weights(classes: int = 7) -> dict[str, torch.Tensor]:
    return build("resnet20", classes, 32).network.state_dict()


def write(path: Path, weights: dict[str, torch.Tensor]) -> Path:
    save_file(weights, path) if path.suffix == ".safetensors" else torch.save(weights, path)
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_are_loaded_from_a_file(model, tmp_path, suffix):
    weights = other_weights()
    assert load_weights(model, write(tmp_path / f"w.{suffix}", weights)) is None
    assert same(model, weights)


@pytest.mark.parametrize("key", ["state_dict", "model", "state_dict_ema"])
def test_weights_are_loaded_from_a_checkpoint(model, tmp_path, key):
    weights, stale = other_weights(), other_weights()
    content = {"epoch": 3, "state_dict": stale, key: {f"module.{name}": value for name, value in weights.items()}}
    torch.save(content if key != "model" else {"model": weights}, tmp_path / "c.pth")
    assert load_weights(model, tmp_path / "c.pth") is None
    assert same(model, weights)


def test_classifier_for_other_classes_is_replaced_and_reported(model, tmp_path):
    weights = other_weights(classes=1000)
    fresh = model.network.fc.weight.clone()
    remark = load_weights(model, write(tmp_path / "w.pth", weights))
    assert remark == f"the classifier in {tmp_path}/w.pth is for 1000 classes: the model keeps a new one for 7 classes"
    assert torch.equal(model.network.fc.weight, fresh)
    weights |= {key: value for key, value in model.network.state_dict().items() if key.startswith("fc.")}
    assert same(model, weights)


def test_weights_without_classifier_are_loaded_and_reported(model, tmp_path):
    weights = {key: value for key, value in other_weights().items() if not key.startswith("fc.")}
    remark = load_weights(model, write(tmp_path / "w.pth", weights))
    assert remark == f"{tmp_path}/w.pth has no classifier: the model keeps a new one for 7 classes"
    assert torch.equal(model.network.conv1.weight, weights["conv1.weight"])


def test_files_without_num_batches_tracked_are_loaded(model, tmp_path):
    weights = {key: value for key, value in other_weights().items() if "num_batches" not in key}
    assert load_weights(model, write(tmp_path / "w.pth", weights)) is None


def _unknown(weights):
    return weights | {"extra.weight": torch.zeros(1)}


def _missing(weights):
    return {key: value for key, value in weights.items() if "layer2" not in key}


def _reshaped(weights):
    return weights | {"conv1.weight": torch.zeros(16, 3, 7, 7)}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_unknown, "unknown: extra.weight"),
        (_missing, r"missing: layer2\.0\.conv1\.weight, layer2.*, .* and \d+ more"),
        (_reshaped, r"of another shape: conv1\.weight \(16x3x7x7, not 16x3x3x3\)"),
        (
            lambda weights: _unknown(_missing(_reshaped(weights))),
            "missing: .*; unknown: .*; of another shape",
        ),
    ],
)
def test_mismatching_weights_are_listed_and_none_is_loaded(model, tmp_path, change, complaint):
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    path = write(tmp_path / "w.safetensors", change(other_weights()))
    with pytest.raises(WeightsError, match=rf"w\.safetensors does not fit resnet20: {complaint}") as caught:
        load_weights(model, path)
    assert same(model, before)
    assert len(str(caught.value)) < 600


class Malicious:
    """An object whose unpickling has a side effect."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "image"])
def test_file_without_weights_is_refused(model, tmp_path, suffix, damage):
    path = write(tmp_path / f"w.{suffix}", other_weights())
    whole = path.read_bytes()
    content = {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"lesion,label\n", "image": b"\xff\xd8\xff"}
    path.write_bytes(content[damage])
    with pytest.raises(WeightsError, match=rf"w\.{suffix} cannot be read as weights: it is truncated"):
        load_weights(model, path)


def test_pickled_objects_are_not_executed(model, tmp_path):
    with (tmp_path / "w.pth").open("wb") as file:
        pickle.dump({"conv1.weight": Malicious(tmp_path / "trace")}, file, protocol=2)
    torch.save({"network": nn.Linear(1, 1)}, tmp_path / "whole.pth")
    for name in ("w.pth", "whole.pth"):
        with pytest.raises(WeightsError, match="contains Python objects, which could run code and are refused"):
            load_weights(model, tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"net": {}, "accuracy": 0.9}, "holds net, accuracy instead of a state dict"),
        ({}, "is empty instead of a state dict"),
        ([1, 2], "cannot be read as weights"),
    ],
)
def test_file_of_another_type_is_refused(model, tmp_path, content, complaint):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=complaint):
        load_weights(model, tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["none.pth", "."])
def test_missing_file_is_refused(model, tmp_path, name):
    with pytest.raises(UsageError, match=r"`weights=.*` does not exist"):
        load_weights(model, tmp_path / name)


def test_weights_for_another_image_size_are_refused(tmp_path):
    path = write(tmp_path / "w.pth", build("cnn", 7, 32).network.state_dict())
    with pytest.raises(WeightsError, match=r"dense1\.weight \(120x40, not 120x90\)"):
        load_weights(build("cnn", 7, 64), path)


def test_training_starts_from_the_weights_of_a_file(tmp_path):
    weights = other_weights(classes=2)
    options = ModelOptions(model="resnet20", weights=write(tmp_path / "w.pth", weights))
    start = build_initial_model(options, 7, 32)
    assert torch.equal(start.model.network.conv1.weight, weights["conv1.weight"])
    assert start.remarks[0].startswith("the classifier in ")
    assert build_initial_model(ModelOptions(model="resnet20"), 7, 32).remarks == ()


def test_pretrained_resnet_weights_from_the_cache(hub):
    weights = hub("resnet18", "tv_in1k")
    start = build_initial_model(ModelOptions(model="resnet18.tv_in1k", pretrained=True), 7, 64)
    assert start.options.revision == COMMIT
    assert start.remarks == (
        f"weights: timm/resnet18.tv_in1k at commit {COMMIT}, licence bsd-3-clause",
        "their classifier is for 1000 classes: the model has a new one for 7",
    )
    own = start.model.network.state_dict()
    assert all(torch.equal(own[key], value) for key, value in weights.items() if not key.startswith("fc."))
    assert own["fc.weight"].shape == (7, 512)


def test_pretrained_timm_weights_set_the_normalisation(hub):
    weights = hub("test_resnet", "r160_in1k")
    model = build_initial_model(ModelOptions(model="test_resnet", pretrained=True), 1000, 64).model
    assert same(model, weights)
    assert model.normalise.colours == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("name", "tag"), [("resnet50", "tv_in1k"), pytest.param("vgg19", "tv_in1k", marks=pytest.mark.slow)]
)
def test_documented_networks_load_imagenet_weights(hub, name, tag):
    weights = hub(name, tag)
    start = build_initial_model(ModelOptions(model=f"{name}.{tag}", pretrained=True), 2, 64)
    own, classifier = start.model.network.state_dict(), ("fc.", "head.fc.")
    taken = [key for key in weights if not key.startswith(classifier)]
    assert len(weights) - len(taken) == 2
    assert all(torch.equal(own[key], weights[key]) for key in taken)
    assert start.model.normalise.colours == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_pinned_commit_is_requested(hub):
    hub("resnet18", "a1_in1k", newest=True)
    pinned = "491b427b45c94c7fb0e78b5474cc919aff584bbf"
    with pytest.raises(ResidermError, match=f"hf download timm/resnet18.a1_in1k model.safetensors --revision {pinned}"):
        build_initial_model(ModelOptions(model="resnet18", pretrained=True), 7, 64)
    assert (
        build_initial_model(ModelOptions(model="resnet18", pretrained=True, revision=COMMIT), 7, 64).options.revision
        == COMMIT
    )


def test_offline_without_cache_error_names_the_remedy(hub, tmp_path):
    del hub
    with pytest.raises(ResidermError) as caught:
        build_initial_model(ModelOptions(model="test_resnet", pretrained=True), 7, 64)
    assert str(caught.value) == (
        "`pretrained`: the weights of timm/test_resnet.r160_in1k are not in the cache, and cannot be downloaded: "
        "HF_HUB_OFFLINE is set. On a machine with network access, "
        "`hf download timm/test_resnet.r160_in1k model.safetensors` "
        f"downloads them to the cache, which can be copied to {tmp_path}/cache here; or give a file with `weights`"
    )


def test_unreachable_hub_is_tried_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Unreachable(Exception):
        """Connection errors as raised by different versions of the hub's HTTP library."""

    def unreachable(*_: object, **__: object) -> None:
        raise Unreachable("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("it would try six times"))
    with pytest.raises(ResidermError, match="cannot be downloaded: the hub cannot be reached"):
        build_initial_model(ModelOptions(model="test_resnet", pretrained=True), 7, 64)


@pytest.mark.parametrize("name", ["resnet18", "test_resnet"])
def test_truncated_cached_file_is_refused(hub, tmp_path, name):
    hub(name, {"resnet18": "a1_in1k", "test_resnet": "r160_in1k"}[name])
    (file,) = (tmp_path / "cache").rglob("model.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read as weights.*delete a file from the hub"):
        build_initial_model(ModelOptions(model=name, pretrained=True, revision=COMMIT), 7, 64)


def test_pretrained_weights_that_contradict_options_are_refused(hub):
    hub("resnet18", "a1_in1k")
    options = ModelOptions(model="resnet18", pretrained=True, revision=COMMIT)
    with pytest.raises(WeightsError, match=r"does not fit resnet18: .*conv1\.weight \(64x3x7x7, not 64x3x3x3\)"):
        build_initial_model(options, 7, 64, ResNetOptions(stem="small"))


@pytest.mark.parametrize("name", ["cnn", "resnet20", "resnet-basic-1-1-1-1", "resnet10t.nothing"])
def test_network_without_pretrained_weights_is_refused(hub, name):
    del hub
    with pytest.raises(UsageError, match="no weights"):
        build_initial_model(ModelOptions(model=name, pretrained=True), 7, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pretrained": True, "weights": "w.pth"}, "`pretrained` and `weights` cannot be combined"),
        ({"revision": COMMIT}, "`revision` .* requires `pretrained`"),
        ({"freeze_backbone": True}, "`freeze_backbone` would freeze random weights"),
    ],
)
def test_contradictory_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        build_initial_model(ModelOptions(model="resnet20", **options), 7, 32)


@pytest.mark.parametrize("options", [{"backbone_rate": 0}, {"backbone_rate": 2}, {"moddel": "resnet18"}])
def test_invalid_options_are_refused(options):
    with pytest.raises(ValidationError):
        ModelOptions(**options)


def test_frozen_backbone_is_unchanged_while_the_classifier_learns(tmp_path):
    path = write(tmp_path / "w.pth", other_weights())
    model = build_initial_model(ModelOptions(model="resnet20", weights=path, freeze_backbone=True), 7, 32).model.train()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    (group,) = model.parameter_groups(backbone_rate=0.1)
    optimizer = torch.optim.SGD(group.parameters, lr=0.1)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    F.cross_entropy(model(images), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()
    changed = {key for key, value in model.network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"fc.weight", "fc.bias"}
    assert model.network.fc.training
    assert not model.eval().network.fc.training


def test_parameter_groups_are_complete_with_a_slower_backbone(model):
    backbone, classifier = model.parameter_groups(backbone_rate=0.1)
    assert (backbone.factor, classifier.factor) == (0.1, 1.0)
    assert [id(value) for value in classifier.parameters] == [id(value) for value in model.network.fc.parameters()]
    held = [id(value) for group in (backbone, classifier) for value in group.parameters]
    assert sorted(held) == sorted(id(value) for value in model.parameters())


def test_weights_larger_than_memory_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`model=resnet18`: its 45,\d+,\d+,\d+ weights need 18\d GB of memory"):
        build_initial_model(ModelOptions(model="resnet18"), 7, 64, ResNetOptions(width=4096))
