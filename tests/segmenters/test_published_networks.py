"""The list of published networks: consistent entries, and their display on the command line."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from oodbench.cli.main import app
from oodbench.segmenters.hugging_face import TransformersAdapter
from oodbench.segmenters.published_networks import PublishedNetwork, published_networks

NETWORKS = {network.name: network for network in published_networks()}


def test_each_network_of_the_field_is_listed_once() -> None:
    assert {"sml-deeplabv3plus-r101", "nvidia-wrn38", "mmseg-deeplabv3plus-r101", "hub-segformer-b5"} <= set(NETWORKS)
    assert len(NETWORKS) == len(published_networks()) == 10


def test_digests_equal_those_in_the_file_names() -> None:
    digests = {name: network.digest for name, network in NETWORKS.items() if network.digest}
    assert len(digests) == 4
    for name, digest in digests.items():
        assert str(NETWORKS[name].weights).endswith(f"-{digest}.pth")


def test_networks_of_the_hub_are_named_like_their_page() -> None:
    hub = [network for network in NETWORKS.values() if network.name.startswith("hub-")]
    assert len(hub) == 4
    for network in hub:
        source = network.use.removeprefix("--model ")
        assert TransformersAdapter().accepts(source)
        assert network.page == f"https://huggingface.co/{source.removeprefix('hf:')}"


def test_the_list_of_models_shows_unknown_facts_as_unknown() -> None:
    shown = CliRunner().invoke(app, ["list", "models"]).stdout
    entry = shown[shown.index("nvidia-wrn38: ") : shown.index("mmseg-fcn-r101: ")].splitlines()
    assert entry[3:6] == ["  digest         unknown", "  licence        CC BY-NC-SA 4.0", "  mIoU           unknown"]
    assert "nvidia-wrn38" not in CliRunner().invoke(app, ["list"]).stdout


@pytest.mark.parametrize(
    "change", [{"digest": "not hexadecimal"}, {"page": "ftp://x"}, {"miou": 0}, {"license": "MIT"}]
)
def test_an_invalid_entry_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PublishedNetwork.model_validate(NETWORKS["nvidia-wrn38"].model_dump() | change)
