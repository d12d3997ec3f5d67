"""Networks of MMSegmentation, loaded from a config with its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from oodbench.contracts import Adapter, AdapterCard, Segmenter
from oodbench.errors import ModelError
from oodbench.segmenters.mmsegmentation.source import ConfigSource, is_config

if TYPE_CHECKING:
    from oodbench.segmenters.mmsegmentation.network import MMSegmentationSegmenter

PLUGINS = {
    "models": {
        "mmsegmentation": (
            "MMSegmentationAdapter",
            "CONFIG.py of MMSegmentation or the name of a released config, with --checkpoint",
        )
    }
}

# Endings of the files next to a config that are searched for weights, in this order.
_ENDINGS = (".safetensors", ".pth")


class MMSegmentationAdapter(Adapter):
    """Adapter for segmentors with a backbone and decode heads."""

    card = AdapterCard("mmsegmentation", "MMSegmentation", "CONFIG.py of MMSegmentation or its name, with --checkpoint")

    @override
    def accepts(self, source: str) -> bool:
        return is_config(source)

    @override
    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Load a network from its config and the weights in a file of the same name next to the config."""
        config = ConfigSource.of(source).file()
        for ending in _ENDINGS:
            if config.with_suffix(ending).is_file():
                return self.open_checkpoint(source, config.with_suffix(ending), card, device)
        raise ModelError(
            f"--model {source}: no weights; expected --checkpoint FILE, or {config.stem}{_ENDINGS[0]} next to "
            "the config",
            "Download the checkpoint of this config; oodbench does not download it.",
        )

    @override
    def open_checkpoint(
        self, source: str, checkpoint: Path, card: Path | None, device: Literal["auto", "cpu", "cuda"]
    ) -> MMSegmentationSegmenter:
        # Late: MMSegmentation and its dependencies take seconds to import.
        from oodbench.segmenters.mmsegmentation.config import NetworkConfig
        from oodbench.segmenters.mmsegmentation.network import MMSegmentationSegmenter
        from oodbench.segmenters.model_card import PartialCard, read_toml

        parsed = ConfigSource.of(source)
        toml_file = parsed.file().with_suffix(".toml")
        card = card or (toml_file if toml_file.is_file() else None)
        model_card = read_toml(card, PartialCard, "Check the path of --model-card.") if card else PartialCard()
        return MMSegmentationSegmenter(NetworkConfig(parsed.file(), parsed.inference), checkpoint, model_card, device)
