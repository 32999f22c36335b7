import torch

from inference.models.foundation import FoundationModel, Projector
from inference.models.history_encoder import HistoryBatch
from inference.training.untrained import TINY


def batch(lengths: list[int], padded_to: int, seed: int = 0) -> HistoryBatch:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), padded_to)
    mask = torch.arange(padded_to) < torch.tensor(lengths)[:, None]
    items = torch.randint(1, 30, shape, generator=generator) * mask
    ages = torch.rand(shape, generator=generator).cumsum(1) * 1000 * mask
    return HistoryBatch(items, mask.long(), torch.zeros(shape), ages, mask)


def test_padding_and_other_candidates_do_not_change_a_tap() -> None:
    torch.manual_seed(0)
    model, table = FoundationModel(TINY).eval(), torch.randn(30, TINY.item_width)
    history = batch([5, 12], 16)
    index = torch.randint(1, 30, (2, 6))
    with torch.inference_mode():
        whole = model(history, table[history.items], index, table[index], table[index])
        alone = history.crop(5)
        alone = HistoryBatch(*(getattr(alone, name)[:1] for name in HistoryBatch.__slots__))
        few = index[:1, 2:4]
        part = model(alone, table[alone.items], few, table[few], table[few])
    torch.testing.assert_close(whole[:1, 2:4], part, atol=1e-5, rtol=0)


def test_the_same_item_in_the_history_is_seen_as_the_same() -> None:
    torch.manual_seed(0)
    model, table = FoundationModel(TINY).eval(), torch.randn(1, TINY.item_width).expand(30, -1)  # all items look alike
    history = batch([8], 8)
    there = int(history.items[0, 3])
    absent = next(k for k in range(1, 30) if k not in history.items)
    index = torch.tensor([[there, absent, absent]])
    with torch.inference_mode():
        tap = model(history, table[history.items], index, table[index], table[index])[0]
    torch.testing.assert_close(tap[1], tap[2])
    assert float((tap[0] - tap[1]).abs().max()) > 1e-4


def test_an_empty_history_gives_finite_values() -> None:
    model, table = FoundationModel(TINY).eval(), torch.randn(30, TINY.item_width)
    history, index = batch([0], 4), torch.tensor([[1, 0]])
    with torch.inference_mode():
        assert bool(torch.isfinite(model(history, table[history.items], index, table[index], table[index])).all())


def test_the_projector_keeps_what_varies_and_gives_it_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2000, 3, generator=generator)
    taps = hidden @ torch.randn(3, 16, generator=generator) + 5.0
    projector = Projector(16, 3)
    assert projector.fit(taps) > 0.999
    rows = projector(taps)
    torch.testing.assert_close(rows.var(0), torch.ones(3), atol=0.05, rtol=0)
    torch.testing.assert_close(rows.mean(0), torch.zeros(3), atol=0.05, rtol=0)
