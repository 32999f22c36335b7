"""A call that cannot do what it asks for is refused before anything is done."""

import pytest
import torch

from benchmarks.kernels.arguments import parsed
from benchmarks.kernels.registry import op_names
from benchmarks.kernels.results import COMMITTED, SCRATCH


@pytest.mark.parametrize(
    ("command", "word", "said"),
    [
        ("cpu", "foo", "SOLARIS_KERNELS is 'foo'; allowed are auto, triton, reference"),
        ("gpu", "foo", "SOLARIS_KERNELS is 'foo'"),
        ("gate", "foo", "SOLARIS_KERNELS is 'foo'"),
        ("cpu", "triton", "SOLARIS_KERNELS is 'triton', and "),
        ("gpu", "reference", "SOLARIS_KERNELS is 'reference', and ours would be what it is compared with"),
    ],
)
def test_a_form_of_the_kernels_that_cannot_be_measured_is_refused(
    command: str, word: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOLARIS_KERNELS", word)
    monkeypatch.setattr("kernels.backend._chosen", None)  # as in a process that has not asked yet
    with pytest.raises(SystemExit) as ended:
        parsed([command])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_triton_is_refused_in_the_words_of_a_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOLARIS_KERNELS", "triton")
    monkeypatch.setattr("kernels.backend._chosen", None)
    with pytest.raises(SystemExit):
        parsed(["cpu"])
    assert "and PyTorch sees no GPU here; 'auto' takes one where there is one" in capsys.readouterr().err


@pytest.mark.parametrize(("op", "said"), [("topp", "no such op: topp; there are "), ("fp8_linear", "no case on a CPU")])
def test_an_op_that_is_not_there_is_refused(op: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(["cpu", "topk", op])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_without_a_name_all_is_asked_for_and_a_name_once() -> None:
    assert parsed(["cpu"]).ops == op_names()
    assert parsed(["gpu", "topk", "fp8_linear", "topk"]).ops == ["topk", "fp8_linear"]


def test_what_is_committed_is_written_over_only_by_name() -> None:
    for command in ("cpu", "gpu", "gate", "summary"):
        assert parsed([command]).out == SCRATCH
    assert parsed(["report"]).source == COMMITTED
