"""Hook of MMEngine's runner for heads of oodbench on decoders of MMSegmentation."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.runner import Runner
from torch import nn

from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head, list_training_only_prefixes


class HeadHook(Hook):
    """A hook that updates each head's non-gradient state after the optimiser's step, before a checkpoint is saved."""

    def before_train(self, runner: Runner) -> None:
        """Replace synchronised batch normalisation on a CPU, where torch doesn't support it."""
        if next(runner.model.parameters()).device.type == "cpu":
            revert_sync_batchnorm(runner.model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Update the heads after each step."""
        for decoder in find_modules_with_head(_unwrap_network(runner)).values():
            decoder.after_step()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Record in `meta` the prefixes of weights that only training needs, so that a release can omit them."""
        checkpoint["meta"]["training_only"] = list(list_training_only_prefixes(_unwrap_network(runner)))


def _unwrap_network(runner: Runner) -> nn.Module:
    network: nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return network
