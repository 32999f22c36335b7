"""Which form of the kernels this process was asked for, checked before anything is done."""

import torch

from kernels.backend import VARIABLE, Backend, chosen_backend
from runtime.environment import SettingsError


def check_kernels() -> None:
    """Raise SettingsError if SOLARIS_KERNELS is no word, or asks for Triton where there is no GPU to run it."""
    try:
        backend = chosen_backend()
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if backend is Backend.TRITON and not torch.cuda.is_available():
        raise SettingsError(
            f"{VARIABLE} is 'triton', and PyTorch sees no GPU here; 'auto' takes one where there is one"
        )
