"""Operations and bytes by hand."""

from kernels.rowwise_quant_fp8.roofline import LinearWork, RowwiseQuantWork


def test_a_row_is_read_once_and_written_once() -> None:
    work = RowwiseQuantWork(1000, 1024, "rms")
    assert work.bytes_moved == 1000 * (2 * 1024 + 1024 + 4)
    assert work.flops == 5 * 1000 * 1024


def test_the_weights_of_the_linear_are_one_byte_each() -> None:
    work = LinearWork(1000, 1024, 512)
    assert work.flops == 2 * 1000 * 1024 * 512
    assert work.bytes_moved == 2 * 1000 * (1024 + 512) + 1024 * 512
