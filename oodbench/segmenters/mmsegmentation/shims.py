"""Shims that let MMSegmentation 1.2 run on a current torch without a compiled mmcv. Import it with `import_mmseg`.

MMSegmentation imports `mmcv.ops`, which needs compiled code that mmcv-lite does not contain. Compiling it takes much
longer than installing all other dependencies, and few networks use it. If a full mmcv is installed, it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from torch.nn import functional
from typing_extensions import override

from oodbench.segmenters.mmsegmentation.installation import check_mmcv, explain_conflict, explain_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

_COMPILED = "mmcv._ext"


def import_mmseg(what: str, detection: bool = False) -> ModuleType:
    """Import `mmseg` and register its models.

    Args:
        what: The feature that needs it, for the error.
        detection: Whether to register the models of mmdet, too, which Mask2Former uses.

    Returns:
        The module `mmseg`.

    Raises:
        MissingExtraError: A library of the extra `mmseg` is not installed.
        ModelError: The installed versions are not compatible.
    """
    check_mmcv(what)
    try:
        with suppress_warnings():
            _replace_compiled_code()
            mmseg = importlib.import_module("mmseg")
            importlib.import_module("mmseg.models")
            if detection:
                importlib.import_module("mmdet.models")
    except ImportError as error:
        raise explain_missing(what, error) from None
    except AssertionError:  # raised by mmseg and mmdet for an unsupported version of mmcv or mmengine
        raise explain_conflict(what) from None
    return mmseg


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Suppress known warnings of these libraries about their own code, which a user can't fix."""
    with warnings.catch_warnings():
        for message, category in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield


_KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    # MMEngine imports torch's functional optimisers, which use the deprecated torch.jit.
    (r"`torch\.jit\.\w+` is deprecated", DeprecationWarning),
    # mmcv imports its own attention from the old module.
    ("``MultiScaleDeformableAttention`` has been moved", ImportWarning),
    # MMEngine finds packages with pkg_resources, for which the extra requires an older setuptools.
    ("pkg_resources is deprecated as an API", Warning),
    # Every decode head builds its loss with the deprecated function.
    ("``build_loss`` would be deprecated soon", UserWarning),
    # Issued for the loss of nearly every released config.
    ("Default ``avg_non_ignore`` is False", UserWarning),
    # Swin and mmdet's point generator call it without an order.
    (r"torch\.meshgrid: in an upcoming release", UserWarning),
    # For half precision, MMEngine uses deprecated names of the gradient scaler and of the dtype.
    (r"`torch\.cuda\.amp\.", FutureWarning),
    (r"torch\.get_autocast_gpu_dtype", DeprecationWarning),
    # Issued at every resize with aligned corners, unless the sizes are multiples plus one.
    (r"When align_corners=\w+, the output would more aligned", UserWarning),
)


def _replace_compiled_code() -> None:
    """Replace the compiled code of mmcv, unless a full mmcv is installed. Call it before mmseg is imported."""
    if isinstance(sys.modules.get(_COMPILED), _NotCompiled) or importlib.util.find_spec(_COMPILED) is not None:
        return
    sys.modules[_COMPILED] = _NotCompiled(_COMPILED)
    ops: Any = importlib.import_module("mmcv.ops")
    attention: Any = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
    focal: Any = importlib.import_module("mmcv.ops.focal_loss")
    # The pixel decoder of Mask2Former uses compiled attention if mmcv sees a GPU. The implementation of mmcv in torch
    # runs on all devices.
    attention.IS_CUDA_AVAILABLE = False
    # On a GPU, FocalLoss of mmseg and of mmdet calls the compiled function by this name.
    ops.sigmoid_focal_loss = focal.sigmoid_focal_loss = sigmoid_focal_loss


class _NotCompiled(ModuleType):
    """A substitute for the compiled module of mmcv. It has a function for each name, which raises when it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # A spec without a loader shows MMEngine that this is not a full mmcv.
        self.__spec__ = ModuleSpec(name, None)

    @override
    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> Any:
            raise NotImplementedError(
                f"{name} is compiled code of mmcv, and mmcv-lite is installed: uninstall it and install a full mmcv "
                "2.1, or use a network that does not need it"
            )

        return missing


def sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.25,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Compute the focal loss in torch, like the compiled function of mmcv.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.

    Args:
        logits: Logits of one binary decision per class, float [N, C].
        target: Class indices, int64 [N]; C stands for no class.
        gamma: Focusing exponent: larger values reduce the loss of correct decisions more.
        alpha: Weight of the target class; the other classes have the weight 1 - alpha.
        weight: Weight of each target class, float [C]; None: all weights are 1.
        reduction: "none" for the losses [N, C], "sum", or "mean" for the sum divided by N.
    """
    target_map = functional.one_hot(target, logits.shape[1] + 1)[:, :-1].to(logits.dtype)  # [N, C]
    loss = functional.binary_cross_entropy_with_logits(logits, target_map, reduction="none")
    difference = (logits.sigmoid() - target_map).abs()
    loss = loss * difference.pow(gamma) * (alpha * target_map + (1 - alpha) * (1 - target_map))
    if weight is not None:
        loss = loss * functional.pad(weight, (0, 1), value=1.0)[target][:, None]
    if reduction == "none":
        return loss
    return loss.sum() / len(logits) if reduction == "mean" else loss.sum()
