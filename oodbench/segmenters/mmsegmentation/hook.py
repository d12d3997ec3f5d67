"""What MMEngine's runner has to do for heads of ours on decoders of MMSegmentation."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner

from oodbench.segmenters.mmsegmentation.headed import HeadBearer


class HeadHook(Hook):
    """Lets each head move after the optimiser's step, before anything is saved."""

    def before_train(self, runner: Runner) -> None:
        """On a CPU statistics that are common to all GPUs, for which there is no code, are each process's own."""
        if next(runner.model.parameters()).device.type == "cpu":
            revert_sync_batchnorm(runner.model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        for module in runner.model.modules():
            if isinstance(module, HeadBearer):
                module.after_step()
