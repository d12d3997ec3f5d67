"""What MMEngine's runner has to do for heads of ours on decoders of MMSegmentation."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.runner import Runner
from torch import nn

from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head, training_only_prefixes


class HeadHook(Hook):
    """Lets each head move after the optimiser's step, before anything is saved."""

    def before_train(self, runner: Runner) -> None:
        """On a CPU statistics that are common to all GPUs, for which there is no code, are each process's own."""
        if next(runner.model.parameters()).device.type == "cpu":
            revert_sync_batchnorm(runner.model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        for bearer in find_modules_with_head(_network(runner)).values():
            bearer.after_step()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Say in `meta` how names in the state begin that are of use in training alone, and need not be shipped."""
        checkpoint["meta"]["training_only"] = list(training_only_prefixes(_network(runner)))


def _network(runner: Runner) -> nn.Module:
    network: nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return network
