"""Weights trained on other images, from timm's repositories on the Hugging Face hub, at a commit.

The commit is the one asked for; else the one pinned here; else the one that the cache got first, which is what the
newest was then. It comes back with the file, so that a run can record it and be repeated. What is in the cache is
taken without asking the network.
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

_SECONDS = 5  # until the hub has answered
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
    """A file of weights, and what one has to know to use it."""

    repository: str
    commit: str
    file: Path
    classes: int
    mean: Colour
    deviation: Colour
    licence: str


def find_pretrained(name: str, commit: str | None = None) -> Pretrained:
    """The weights for a name in timm's list, from the cache or else from the hub."""
    known = about(name)
    if known is None or not known.hf_hub_id:
        raise UsageError(f"`pretrained`: there are no weights for {name} on the hub; leave it out, or give `weights`")
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
    """What timm knows of the weights for a name, if it has any; a tag that it does not know is an error."""
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
        # Asked once: without a network, the download would try again for half a minute, and say so each time.
        get_hf_file_metadata(hf_hub_url(repository, name, revision=commit), timeout=_SECONDS)
        return Path(hf_hub_download(repository, name, revision=commit))
    except Exception as error:  # which HTTP library raises its own depends on the version of the hub's package
        raise ResidermError(_way_out(repository, name, commit, error)) from error


def _way_out(repository: str, name: str, commit: str | None, error: Exception) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    reason = str(error).strip().partition("\n")[0]
    if isinstance(error, LocalEntryNotFoundError) or not isinstance(error, HfHubHTTPError):
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    command = f"hf download {repository} {name}" + (f" --revision {commit}" if commit else "")
    return (
        f"`pretrained`: the weights of {repository} are not in the cache, and cannot be fetched: {reason}. Where there "
        f"is a network, `{command}` puts them into the cache, which can be copied to {constants.HF_HUB_CACHE} here; "
        "or give a file with `weights`"
    )


def _colour(values: Sequence[float]) -> Colour:
    red, green, blue = values
    return red, green, blue
