"""Decoders of MMSegmentation that end in a head of oodbench: base classes with the functions MMSegmentation calls."""

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
    """A mixin for decoders with a head of oodbench, which `HeadHook` updates. It precedes the decoder's class.

    Attributes:
        made_by: The head of the registry that built `head`.
        head: The module of the head, a `TrainingHead`.
    """

    # Attribute of the decoder.
    norm_cfg: Mapping[str, Any] | None = None

    def build_head(self, head: Head, channels: int, classes: int) -> None:
        """Build the head. Call it after all other layers of the decoder are built.

        Args:
            head: The head of the registry.
            channels: Number of channels of the decoder's features.
            classes: Number of classes.

        Raises:
            UsageError: The head can't be trained.
        """
        self.made_by = head
        module = head.build(channels, classes)
        if not isinstance(module, TrainingHead):
            raise UsageError(
                f"the head '{head.card.name}' can't be trained: it builds a {type(module).__name__}; expected a "
                "TrainingHead",
                "Implement the contract in docs/how-to/add-a-head.md.",
            )
        if (self.norm_cfg or {}).get("type") == "SyncBN":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's
        self.head = module
        self._batch: tuple[HeadOutput, Tensor] | None = None

    def compute_head_losses(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        """Compute the head's losses, and keep the batch for `after_step`.

        Args:
            output: The head's output.
            labels: Labels, int64 [N, H, W].

        Raises:
            UsageError: `after_step` was not called after the previous batch.
        """
        if self._batch is not None:
            raise UsageError(
                "the head is not called after the optimiser's step, when it updates its mixture",
                'Add to the config: custom_hooks = [dict(type="OodbenchHeadHook")].',
            )
        extras = {name: values.detach() for name, values in output.extras.items()}
        self._batch = HeadOutput(output.class_maps.detach(), output.features.detach(), extras), labels
        losses: Mapping[str, Tensor] = self.head.loss(output, labels)
        return losses

    def after_step(self) -> None:
        """Update the head's non-gradient state. `HeadHook` calls it after each optimiser step."""
        if self._batch is not None:
            self.head.after_step(*self._batch)
            self._batch = None


def find_modules_with_head(network: nn.Module) -> dict[str, ModuleWithHead]:
    """Return the decoders with a head of oodbench, by their name in the network."""
    return {name: module for name, module in network.named_modules() if isinstance(module, ModuleWithHead)}


def list_training_only_prefixes(network: nn.Module) -> tuple[str, ...]:
    """Return the prefixes, in the network's state dict, of the heads' weights that only training needs."""
    return tuple(
        f"{name}.head.{prefix}"
        for name, decoder in find_modules_with_head(network).items()
        for prefix in decoder.made_by.training_only()
    )


class HeadedDecoder(ModuleWithHead):
    """A mixin for decoders that classify each pixel of their features independently."""

    # Attributes of the decoder.
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
        self._refuse_ignored_options(outputs, classes)
        self.build_head(head, channels, classes)
        # Parameters without a gradient would need `find_unused_parameters`.
        del self.conv_seg, self.loss_decode
        if "conv_seg" in str(self.init_cfg):
            self.init_cfg = None  # the default, which applies only to the deleted convolution
        self._output: HeadOutput | None = None

    def _refuse_ignored_options(self, outputs: int, classes: int) -> None:
        """Raise if the config sets an option of the decoder that the head would ignore."""
        loss = self.loss_decode
        plain = type(loss).__name__ == "CrossEntropyLoss" and (loss.loss_weight, loss.class_weight) == (1.0, None)
        for wrong, problem, remedy in (
            (
                self.align_corners,
                "align_corners=True: the head's loss resizes class maps with half-pixel centres",
                "Set align_corners=False.",
            ),
            (
                self.ignore_index != VOID,
                f"ignore_index={self.ignore_index}: void is {VOID}",
                f"Set ignore_index={VOID}.",
            ),
            (self.sampler is not None, "sampler: the head's loss uses all pixels", "Remove sampler."),
            (outputs != classes, f"out_channels={outputs} for {classes} classes", "Remove out_channels."),
            (
                not plain or loss.use_sigmoid,
                "loss_decode: the head has its own loss",
                "Remove loss_decode, or set it to plain cross-entropy.",
            ),
        ):
            if wrong:
                raise UsageError(f"a head of oodbench on a decoder of MMSegmentation: {problem}", remedy)

    def cls_seg(self, features: Tensor) -> Tensor:
        """Return class maps float32 [N, C, h, w] for features [N, channels, h, w]."""
        output: HeadOutput = self.head(features if self.dropout is None else self.dropout(features))
        self._output = output if self.training else None
        return output.class_maps

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: Sequence[Any]) -> dict[str, Tensor]:
        """Compute the head's losses at the label resolution."""
        output, self._output = self._output, None
        assert output is not None, "the loss follows a forward pass in training mode"
        assert output.class_maps is seg_logits, "the class maps are those of the last forward pass"
        labels = self._stack_batch_gt(batch_data_samples)[:, 0].long()  # [N, H, W]
        return dict(self.compute_head_losses(output, labels))
