"""Devices, dtypes and options by name, and those that do not go together."""

import pytest
import torch
from alm_core.placement import Options, as_device, as_dtype

CPU = torch.device("cpu")


def test_dtypes_by_name() -> None:
    assert as_dtype("fp16") == as_dtype("float16") == as_dtype(torch.float16) == torch.float16
    assert as_dtype(None) is None
    for bad in ("float64", torch.int8, "half"):
        with pytest.raises(ValueError, match=r"dtype must be float32, float16 or bfloat16, got"):
            as_dtype(bad)


def test_the_default_dtype_is_wide_on_a_cpu_and_the_familys_on_accelerators() -> None:
    assert Options(torch.device("cpu")).narrow(torch.float16) == torch.float32
    assert Options(torch.device("cuda")).narrow(torch.bfloat16) == torch.bfloat16
    assert Options(torch.device("cuda"), torch.float32).narrow(torch.float16) == torch.float32


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        as_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda' is not available here: use device='cpu'"):
        as_device("cuda")
    with pytest.raises(ValueError, match="'xpu:77' is not available here"):
        as_device("xpu:77")


def test_guidance_is_as_asked_else_the_familys_own() -> None:
    assert [Options(CPU, guidance=asked).scale(7.5) for asked in (None, 2, 0)] == [7.5, 2, 0]
    with pytest.raises(ValueError, match="guidance must be 0 or more, got -1"):
        Options(CPU, guidance=-1)


def test_offload_wants_an_accelerator() -> None:
    with pytest.raises(ValueError, match="the device is the CPU: leave offload out, or give device='cuda'"):
        Options(CPU, offload=True)
    assert Options(torch.device("cuda"), offload=True).offload


def test_what_one_network_has_not_is_refused() -> None:
    Options(CPU, guidance=1).check_single("tiny")
    for options, said in (
        (Options(CPU, guidance=7.5), "a tiny model has no guidance, got 7.5"),
        (Options(CPU, vae_tiling=True), "a tiny model has no VAE to tile"),
        (Options(torch.device("cuda"), offload=True), "with no parts to offload in turn"),
    ):
        with pytest.raises(ValueError, match=said):
            options.check_single("tiny")
