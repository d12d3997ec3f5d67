"""Networks of MMSegmentation, loaded from a config with its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from oodbench.contracts import Adapter, AdapterCard, Segmenter
from oodbench.errors import ModelError
from oodbench.segmenters.mmsegmentation.source import Source, is_config

if TYPE_CHECKING:
    from oodbench.segmenters.mmsegmentation.network import MMSegmentationSegmenter

PLUGINS = {
    "models": {
        "mmsegmentation": ("MMSegmentationAdapter", "CONFIG.py of MMSegmentation, or its name there, with --checkpoint")
    }
}

# What is looked for beside a config.
_ENDINGS = (".safetensors", ".pth")


class MMSegmentationAdapter(Adapter):
    """Segmentors of a backbone and decode heads."""

    card = AdapterCard("mmsegmentation", "MMSegmentation", "CONFIG.py of MMSegmentation or its name, with --checkpoint")

    def accepts(self, source: str) -> bool:
        return is_config(source)

    def open(self, source: str, card: Path | None, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """As the contract says; the weights are looked for beside the config."""
        config = Source.of(source).file()
        for ending in _ENDINGS:
            if config.with_suffix(ending).is_file():
                return self.open_checkpoint(source, config.with_suffix(ending), card, device)
        raise ModelError(
            f"--model {source}: no weights; expected --checkpoint FILE, or {config.stem}{_ENDINGS[0]} beside it",
            "Download the checkpoint that belongs to it; the program fetches none.",
        )

    def open_checkpoint(
        self, source: str, checkpoint: Path, card: Path | None, device: Literal["auto", "cpu", "cuda"]
    ) -> MMSegmentationSegmenter:
        # Late: MMSegmentation and what it stands on take seconds to import.
        from oodbench.segmenters.mmsegmentation.config import NetworkConfig
        from oodbench.segmenters.mmsegmentation.network import MMSegmentationSegmenter
        from oodbench.segmenters.model_card import PartialCard, read_toml

        named = Source.of(source)
        beside = named.file().with_suffix(".toml")
        card = card or (beside if beside.is_file() else None)
        described = read_toml(card, PartialCard, "--model-card names it.") if card else PartialCard()
        return MMSegmentationSegmenter(NetworkConfig(named.file(), named.inference), checkpoint, described, device)
