"""What MMSegmentation 1.2 needs to run on a current torch without a compiled mmcv. `import_mmseg` is the way to it.

MMSegmentation imports `mmcv.ops`, which wants compiled code that mmcv-lite does not have; compiling it takes far longer
than installing everything else. Few networks use any of it. Where a full mmcv is installed nothing takes its place.
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

from oodbench.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

_COMPILED = "mmcv._ext"


def import_mmseg(what: str, detection: bool = False) -> ModuleType:
    """`mmseg`, its models registered; with `detection` also mmdet's, which Mask2Former is made of.

    Args:
        what: what needs it, for the error.
        detection: whether mmdet is needed.

    Raises:
        MissingExtraError: something of the extra `mmseg` is not installed.
        ModelError: the versions that are installed don't go together.
    """
    try:
        with quiet():
            _stand_in_for_compiled_code()
            mmseg = importlib.import_module("mmseg")
            importlib.import_module("mmseg.models")
            if detection:
                importlib.import_module("mmdet.models")
    except ImportError as error:
        raise MissingExtraError(what, "mmseg", error) from None
    except AssertionError as error:  # so mmseg and mmdet say that mmcv or mmengine is of a version that they don't know
        raise ModelError(f"{what}: {error}", "pip install 'oodbench[mmseg]' takes versions that go together.") from None
    return mmseg


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what these libraries warn of themselves for, and what nobody who calls them can change."""
    with warnings.catch_warnings():
        for message, category in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield


_KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    # MMEngine imports torch's functional optimisers, which torch still compiles with what it has deprecated.
    (r"`torch\.jit\.\w+` is deprecated", DeprecationWarning),
    # mmcv's own old place for the attention takes it from the new one, and tells whoever imports mmcv of it.
    ("``MultiScaleDeformableAttention`` has been moved", ImportWarning),
    # MMEngine asks it where a package lies whose configs another config stands on; hence the extra's older setuptools.
    ("pkg_resources is deprecated as an API", Warning),
    # Every decode head builds its loss by the old function.
    ("``build_loss`` would be deprecated soon", UserWarning),
    # Said of the loss of nearly every released config.
    ("Default ``avg_non_ignore`` is False", UserWarning),
    # Swin and mmdet's point generator call it without an order.
    (r"torch\.meshgrid: in an upcoming release", UserWarning),
    # Of half precision: MMEngine makes the scaler, and asks for the type, by old names.
    (r"`torch\.cuda\.amp\.", FutureWarning),
    (r"torch\.get_autocast_gpu_dtype", DeprecationWarning),
    # Said at every resize of a network that aligns corners, unless sizes are multiples plus one.
    (r"When align_corners=\w+, the output would more aligned", UserWarning),
)


def _stand_in_for_compiled_code() -> None:
    """Once, before mmseg is imported; nothing where a full mmcv is installed."""
    if isinstance(sys.modules.get(_COMPILED), _NotCompiled) or importlib.util.find_spec(_COMPILED) is not None:
        return
    sys.modules[_COMPILED] = _NotCompiled(_COMPILED)
    ops: Any = importlib.import_module("mmcv.ops")
    attention: Any = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
    focal: Any = importlib.import_module("mmcv.ops.focal_loss")
    # Mask2Former's pixel decoder: where mmcv knows of a GPU it takes the compiled attention. The one in torch, which
    # mmcv has beside it, runs everywhere.
    attention.IS_CUDA_AVAILABLE = False
    # FocalLoss of mmseg and mmdet: on a GPU both take the compiled function, by this name.
    ops.sigmoid_focal_loss = focal.sigmoid_focal_loss = sigmoid_focal_loss


class _NotCompiled(ModuleType):
    """mmcv's compiled part: every function is there by name, as mmcv asks at import, and raises when it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Without a loader MMEngine's own question, whether mmcv is a full one, is answered with no.
        self.__spec__ = ModuleSpec(name, None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> Any:
            raise NotImplementedError(
                f"{name} is compiled code of mmcv, and mmcv-lite is installed: install a full mmcv 2.1 in its place, "
                "or take a network without it"
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
    """What mmcv's compiled function computes (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017), in torch.

    Args:
        logits: float [N, C], one binary decision a class.
        target: int64 [N], the class; C for none of them.
        gamma: how much less a decision counts that is right already.
        alpha: weight of the class that is there; 1 - alpha of one that isn't.
        weight: float [C], of each class by the target; None weights none.
        reduction: "none" [N, C], "sum", or "mean": the sum over N.
    """
    there = functional.one_hot(target, logits.shape[1] + 1)[:, :-1].to(logits.dtype)  # [N, C]
    loss = functional.binary_cross_entropy_with_logits(logits, there, reduction="none")
    wrong = (logits.sigmoid() - there).abs()
    loss = loss * wrong.pow(gamma) * (alpha * there + (1 - alpha) * (1 - there))
    if weight is not None:
        loss = loss * functional.pad(weight, (0, 1), value=1.0)[target][:, None]
    if reduction == "none":
        return loss
    return loss.sum() / len(logits) if reduction == "mean" else loss.sum()
