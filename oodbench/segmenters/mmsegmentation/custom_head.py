"""Decoders of MMSegmentation with a head of ours: what they do where MMSegmentation calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from oodbench.contracts import Head, HeadOutput, TrainingHead
from oodbench.errors import UsageError
from oodbench.types import VOID

if TYPE_CHECKING:
    from torch import Tensor


class ModuleWithHead(nn.Module):
    """What `HeadHook` asks of a decoder. Mixed into its class, before it.

    Attributes:
        made_by: the head of the registry that made `head`.
        head: its module, a `TrainingHead`.
    """

    # The decoder's.
    norm_cfg: Mapping[str, Any] | None = None

    def bear(self, head: Head, channels: int, classes: int) -> None:
        """Take a head, after everything else was made."""
        self.made_by = head
        module = head.build(channels, classes)
        if not isinstance(module, TrainingHead):
            raise UsageError(
                f"the head '{head.card.name}' can't be trained: what it builds is no TrainingHead",
                "docs/plugins.md has its contract.",
            )
        if (self.norm_cfg or {}).get("type") == "SyncBN":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's
        self.head = module
        self._batch: tuple[HeadOutput, Tensor] | None = None

    def losses_of_the_head(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        """On labels int64 [N, H, W]; both are kept for `after_step`."""
        if self._batch is not None:
            raise UsageError(
                "nothing calls the head after the optimiser's step, where a mixture moves",
                'Add to the config: custom_hooks = [dict(type="OodbenchHeadHook")].',
            )
        extras = {name: values.detach() for name, values in output.extras.items()}
        self._batch = HeadOutput(output.class_maps.detach(), output.features.detach(), extras), labels
        losses: Mapping[str, Tensor] = self.head.loss(output, labels)
        return losses

    def after_step(self) -> None:
        """What moves by no gradient moves."""
        if self._batch is not None:
            self.head.after_step(*self._batch)
            self._batch = None


def find_modules_with_head(network: nn.Module) -> dict[str, ModuleWithHead]:
    """Name in the network -> each decoder with a head of ours."""
    return {name: module for name, module in network.named_modules() if isinstance(module, ModuleWithHead)}


def training_only_prefixes(network: nn.Module) -> tuple[str, ...]:
    """How the names begin, in the network's state, of what these heads need in training alone."""
    return tuple(
        f"{name}.head.{prefix}"
        for name, bearer in find_modules_with_head(network).items()
        for prefix in bearer.made_by.training_only()
    )


class HeadedDecoder(ModuleWithHead):
    """A decoder that classifies each pixel of its features by itself."""

    # The decoder's.
    dropout: nn.Module | None
    align_corners: bool
    ignore_index: int | None
    sampler: Any
    loss_decode: Any
    init_cfg: Any
    _stack_batch_gt: Any

    def __init__(self, *, head: Head, **arguments: Any) -> None:
        super().__init__(**arguments)
        channels, classes, outputs = (getattr(self, name) for name in ("channels", "num_classes", "out_channels"))
        self._refuse_what_would_be_passed_over(outputs, classes)
        self.bear(head, channels, classes)
        # Parameters without a gradient would need `find_unused_parameters`.
        del self.conv_seg, self.loss_decode
        if "conv_seg" in str(self.init_cfg):
            self.init_cfg = None  # the default, which is for that convolution alone
        self._output: HeadOutput | None = None

    def _refuse_what_would_be_passed_over(self, outputs: int, classes: int) -> None:
        loss = self.loss_decode
        plain = type(loss).__name__ == "CrossEntropyLoss" and (loss.loss_weight, loss.class_weight) == (1.0, None)
        for wrong, problem, remedy in (
            (
                self.align_corners,
                "align_corners=True: its loss brings class maps to the labels with half pixels",
                "False",
            ),
            (self.ignore_index != VOID, f"ignore_index={self.ignore_index}: void is {VOID}", f"{VOID}"),
            (self.sampler is not None, "sampler: the head's loss is over all pixels", "None"),
            (outputs != classes, f"out_channels={outputs} for {classes} classes", "None"),
            (
                not plain or loss.use_sigmoid,
                "loss_decode: the head brings its own loss",
                "none, or plain cross entropy",
            ),
        ):
            if wrong:
                raise UsageError(f"a head of oodbench on a decoder: {problem}", f"Expected: {remedy}.")

    def cls_seg(self, features: Tensor) -> Tensor:
        """float32 [N, C, h, w] of features [N, channels, h, w]."""
        output: HeadOutput = self.head(features if self.dropout is None else self.dropout(features))
        self._output = output if self.training else None
        return output.class_maps

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """The head's losses, at the labels' resolution."""
        output, self._output = self._output, None
        assert output is not None, "the loss is of a pass in training mode"
        assert output.class_maps is seg_logits, "the loss is of the last pass"
        labels = self._stack_batch_gt(batch_data_samples)[:, 0].long()  # [N, H, W]
        return dict(self.losses_of_the_head(output, labels))
