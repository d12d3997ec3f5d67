"""MMSegmentation without compiled code, and its replacements."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
import torch

from oodbench.errors import MissingExtraError, ModelError
from oodbench.segmenters.mmsegmentation.shims import import_mmseg, sigmoid_focal_loss, suppress_warnings


def test_mmsegmentation_imports_without_warnings() -> None:
    program = "from oodbench.segmenters.mmsegmentation.shims import import_mmseg; print(import_mmseg('it').__version__)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1.2.2\n", "")


def test_a_full_mmcv_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    import_mmseg("it")
    import mmcv.ops
    import mmcv.ops.multi_scale_deform_attn as attention

    monkeypatch.setattr("importlib.util.find_spec", lambda name: ModuleSpec(name, None))
    full = ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", full)
    monkeypatch.setattr(mmcv.ops, "sigmoid_focal_loss", "compiled")
    monkeypatch.setattr(attention, "IS_CUDA_AVAILABLE", "asked")
    import_mmseg("it")
    assert sys.modules["mmcv._ext"] is full
    assert (mmcv.ops.sigmoid_focal_loss, attention.IS_CUDA_AVAILABLE) == ("compiled", "asked")


def test_importing_twice_replaces_code_only_once() -> None:
    import_mmseg("it")
    first = sys.modules["mmcv._ext"]
    import_mmseg("it", detection=True)
    assert sys.modules["mmcv._ext"] is first


def test_compiled_functions_raise_when_they_are_called() -> None:
    import_mmseg("it")
    import mmcv.ops

    with pytest.raises(NotImplementedError, match=r"^nms is compiled code of mmcv, and mmcv-lite is installed"):
        mmcv.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


@pytest.mark.parametrize("name", ["mmseg", "mmdet.models"])
def test_missing_libraries_are_errors(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    said = r"^it needs libraries that are not installed \(.*\)\nInstall them: pip install 'oodbench\[mmseg\]'$"
    with pytest.raises(MissingExtraError, match=said):
        import_mmseg("it", detection=True)


def test_incompatible_versions_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    import_mmseg("it")
    monkeypatch.delitem(sys.modules, "mmseg")
    monkeypatch.setattr("mmcv.__version__", "2.2.0")
    with pytest.raises(ModelError, match=r"^it: mmcv 2.2.0 and mmengine .* are installed; expected mmcv 2.0") as error:
        import_mmseg("it")
    remedy = str(error.value.remedy)
    assert remedy.index("pip uninstall -y mmcv mmcv-lite") < remedy.index("pip install 'oodbench[mmseg]'")


def set_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let packages have other versions; an empty text stands for a package that is not installed."""
    found = importlib.metadata.version

    def version(name: str) -> str:
        if versions.get(name.replace("-", "_")) == "":
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name.replace("-", "_")) or found(name)

    monkeypatch.setattr("oodbench.segmenters.mmsegmentation.installation.version", version)


def test_mixed_files_of_two_packages_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    set_versions(monkeypatch, mmcv="2.2.0", mmcv_lite="2.1.0")
    with pytest.raises(ModelError, match=r"^it: mmcv 2.2.0 and mmcv-lite 2.1.0 are installed, and their files are mix"):
        import_mmseg("it")
    set_versions(monkeypatch, mmcv="2.1.0", mmcv_lite="2.1.0")
    import_mmseg("it")


def test_the_extra_is_never_installed_over_a_full_mmcv(monkeypatch: pytest.MonkeyPatch) -> None:
    set_versions(monkeypatch, mmcv="2.1.0", mmcv_lite="")
    monkeypatch.setitem(sys.modules, "mmseg", None)
    with pytest.raises(ModelError, match=r"the full mmcv 2.1.0 is installed") as error:
        import_mmseg("it")
    remedy = str(error.value.remedy)
    assert remedy.index("pip uninstall -y mmcv mmcv-lite") < remedy.index("pip install 'oodbench[mmseg]'")
    assert "To keep a full mmcv 2.0 or 2.1" in remedy


def test_the_focal_loss_equals_mmsegmentation() -> None:
    import_mmseg("it")
    from mmseg.models.losses import focal_loss

    assert focal_loss._sigmoid_focal_loss is sigmoid_focal_loss
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 3
    logits.requires_grad_()
    target = torch.arange(50) % 5  # class 4 stands for no class
    there = torch.nn.functional.one_hot(target, 5)[:, :4]
    compiled: Any = focal_loss.sigmoid_focal_loss(logits, target, there, gamma=1.5, alpha=0.25)
    (slope,) = torch.autograd.grad(compiled, logits)
    plain: Any = focal_loss.py_sigmoid_focal_loss(logits, there, gamma=1.5, alpha=0.25)
    assert torch.allclose(compiled, plain, rtol=1e-6)
    assert torch.allclose(slope, torch.autograd.grad(plain, logits)[0], atol=1e-8)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 0.5 * 0.6931472), ("sum", 0.6931472)])
def test_the_focal_loss_equals_a_case_computed_by_hand(reduction: str, expected: float) -> None:
    # At logits of 0, the loss is log 2 times 0.5 ** 2, times 0.25 for the target class and 0.75 for the others.
    # The first pixel has class 0 with weight 2, the second has neither class.
    loss = sigmoid_focal_loss(
        torch.zeros(2, 2), torch.tensor([0, 2]), weight=torch.tensor([2.0, 9.0]), reduction=reduction
    )
    literal = 0.25 * (2 * 0.25 + 2 * 0.75 + 0.75 + 0.75)
    assert float(loss) == pytest.approx(expected * literal, rel=1e-6)


def test_attention_runs_in_torch_on_every_device() -> None:
    import_mmseg("it", detection=True)
    import mmcv.ops.multi_scale_deform_attn as attention

    assert attention.IS_CUDA_AVAILABLE is False
    layer = attention.MultiScaleDeformableAttention(embed_dims=8, num_heads=2, num_levels=1, num_points=1).eval()
    query = torch.randn(4, 1, 8, generator=torch.Generator().manual_seed(0))
    reference = torch.full((1, 4, 1, 2), 0.5)
    shapes, start = torch.tensor([[2, 2]]), torch.tensor([0])
    out = layer(query, reference_points=reference, spatial_shapes=shapes, level_start_index=start)
    assert out.shape == (4, 1, 8)
    assert bool(out.isfinite().all())


def test_warnings_about_deprecated_amp_names_are_suppressed() -> None:
    with suppress_warnings():
        torch.cuda.amp.GradScaler(enabled=False)
        torch.get_autocast_gpu_dtype()
    with pytest.warns(FutureWarning, match="GradScaler"):
        torch.cuda.amp.GradScaler(enabled=False)
