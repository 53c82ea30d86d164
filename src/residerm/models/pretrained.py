"""Pretrained weights from timm's repositories on the Hugging Face hub, at a commit.

The commit is the given one, else the one pinned here, else the one in the cache, which was the newest when it was
downloaded. It is returned with the file, so that a run can record it and be repeated. Files in the cache are used
without network access.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from residerm.errors import ResidermError, UsageError, listed
from residerm.models.model import Colour

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

_SECONDS = 5  # time limit for a response of the hub
_COMMITS: Mapping[str, str] = MappingProxyType(
    {
        "timm/resnet18.a1_in1k": "491b427b45c94c7fb0e78b5474cc919aff584bbf",
        "timm/resnet50.a1_in1k": "767268603ca0cb0bfe326fa87277f19c419566ef",
        "timm/efficientnet_b0.ra_in1k": "1b5383e5f79cc0f7fc067e372f8f26a5fa73f26a",
        "timm/convnext_tiny.in12k_ft_in1k": "aa096f03029c7f0ec052013f64c819b34f8ad790",
    }
)


@dataclass(frozen=True)
class Pretrained:
    """A file of weights, and the metadata needed to use it."""

    repository: str
    commit: str
    file: Path
    classes: int
    mean: Colour
    deviation: Colour
    licence: str


def find_pretrained(name: str, commit: str | None = None) -> Pretrained:
    """Find the weights of one of timm's networks, in the cache or on the hub."""
    known = about(name)
    if known is None or not known.hf_hub_id:
        raise UsageError(f"`pretrained`: there are no weights for {name} on the hub; omit it, or give `weights`")
    repository = known.hf_hub_id
    file = _file(repository, known.hf_hub_filename or "model.safetensors", commit or _COMMITS.get(repository))
    return Pretrained(
        repository=repository,
        commit=file.parent.name,
        file=file,
        classes=known.num_classes,
        mean=_colour(known.mean),
        deviation=_colour(known.std),
        licence=known.license or "not stated",
    )


def about(name: str) -> PretrainedCfg | None:
    """timm's configuration of the weights for a name, or None; an unknown tag is an error."""
    import timm

    architecture, _, tag = name.partition(".")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise UsageError(f"{architecture} has no weights named {tag!r}; it has {listed(tags, 12)}") from None


def _file(repository: str, name: str, commit: str | None) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, name, revision=commit)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Checked once: without a network, the download would retry for half a minute, with a message each time.
        get_hf_file_metadata(hf_hub_url(repository, name, revision=commit), timeout=_SECONDS)
        return Path(hf_hub_download(repository, name, revision=commit))
    except Exception as error:  # the HTTP library, and its exceptions, depend on the version of huggingface_hub
        raise ResidermError(_way_out(repository, name, commit, error)) from error


def _way_out(repository: str, name: str, commit: str | None, error: Exception) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    reason = str(error).strip().partition("\n")[0]
    if isinstance(error, LocalEntryNotFoundError) or not isinstance(error, HfHubHTTPError):
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    command = f"hf download {repository} {name}" + (f" --revision {commit}" if commit else "")
    return (
        f"`pretrained`: the weights of {repository} are not in the cache, and cannot be downloaded: {reason}. On a "
        f"machine with network access, `{command}` downloads them to the cache, which can be copied to "
        f"{constants.HF_HUB_CACHE} here; or give a file with `weights`"
    )


def _colour(values: Sequence[float]) -> Colour:
    red, green, blue = values
    return red, green, blue
