"""Which form of the kernels this process was asked for, checked before anything is done."""

from kernels.backend import check_backend
from runtime.environment import SettingsError


def check_kernels() -> None:
    """Raise SettingsError if SOLARIS_KERNELS is no word, or asks for Triton where there is no GPU to run it."""
    try:
        check_backend()
    except ValueError as error:
        raise SettingsError(str(error)) from None
