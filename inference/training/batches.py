"""Request rows as the tensors that the models read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from inference.models.catalogue import Catalogue
from inference.models.history_encoder import HistoryBatch
from inference.training.dataset import Dataset, Ints, history_ranges

SORT_WINDOW = 16  # batches whose requests are sorted by history length together, to pad less


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """B requests with up to K candidates each; N candidates in all, in the order of the data set."""

    requests: Ints  # [B] number of each request
    rows: torch.Tensor  # [N] int64, number of each candidate
    history: HistoryBatch
    context: torch.Tensor  # [B, C] float32
    cand: torch.Tensor  # [B, K] int64, index in the catalogue, 0 for padding
    mask: torch.Tensor  # [B, K] bool; selecting by it gives the N candidates in order
    cand_to_user: torch.Tensor  # [N] int32
    user_offsets: torch.Tensor  # [B + 1] int32


class Batches:
    """Makes batches of one sorted data set; `length` events of history at most."""

    def __init__(self, data: Dataset, catalogue: Catalogue, length: int) -> None:
        self.data = data
        self.length = length
        self._catalogue = catalogue
        self.clicked = torch.from_numpy(data.clicked)
        self.converted = torch.from_numpy(data.converted)
        self.conversion_weight = torch.from_numpy(data.weight * (data.conversion_known & (data.clicked > 0)))
        self.weight = torch.from_numpy(data.weight)
        self.position = torch.from_numpy(data.cand_position)
        self._index = catalogue.index_of(list(data.items))
        self._event_item = self._index[data.event_item]
        self._begin, self._end = history_ranges(data, length)

    def like(self, data: Dataset, length: int) -> "Batches":
        """Batches of another data set over the same items, with histories of another length."""
        return Batches(data, self._catalogue, length)

    def shuffled(self, requests: Ints, size: int, rng: np.random.Generator) -> Iterator[RequestBatch]:
        """All of `requests` once, in random batches of similar history length."""
        order = rng.permutation(requests)
        groups = [order[at : at + size * SORT_WINDOW] for at in range(0, len(order), size * SORT_WINDOW)]
        for group in groups:
            by_length = group[np.argsort((self._end - self._begin)[group], kind="stable")]
            batches = [by_length[at : at + size] for at in range(0, len(by_length), size)]
            for number in rng.permutation(len(batches)):
                yield self.batch(batches[number])

    def ordered(self, requests: Ints, size: int, cut_ms: Ints | None = None) -> Iterator[RequestBatch]:
        """All of `requests` once, as given; `cut_ms` [R of the data set]: histories as they were then."""
        ranges = None if cut_ms is None else history_ranges(self.data, self.length, cut_ms)
        for at in range(0, len(requests), size):
            yield self.batch(requests[at : at + size], ranges)

    def batch(self, requests: Ints, ranges: tuple[Ints, Ints] | None = None) -> RequestBatch:
        """One batch; `ranges` are other histories than those at the time of the request."""
        data = self.data
        begin, end = (part[requests] for part in (ranges or (self._begin, self._end)))
        counts = np.diff(data.offsets)[requests]
        slots = np.arange(counts.max(initial=0))
        mask = slots < counts[:, None]
        rows = (data.offsets[requests][:, None] + slots)[mask]
        cand = np.zeros(mask.shape, dtype=np.int64)
        cand[mask] = self._index[data.cand_item[rows]]
        return RequestBatch(
            requests=requests,
            rows=torch.from_numpy(rows),
            history=self._history(begin, end),
            context=torch.from_numpy(data.request_context[requests]),
            cand=torch.from_numpy(cand),
            mask=torch.from_numpy(mask),
            cand_to_user=torch.from_numpy(np.repeat(np.arange(len(requests), dtype=np.int32), counts)),
            user_offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)),
        )

    def _history(self, begin: Ints, end: Ints) -> HistoryBatch:
        data = self.data
        longest = max(int((end - begin).max(initial=0)), 1)
        place = end[:, None] - 1 - np.arange(longest)  # newest first
        mask = place >= begin[:, None]
        if not len(data.event_user):
            empty = torch.zeros(mask.shape)
            return HistoryBatch(empty.long(), empty.long(), empty, empty, torch.from_numpy(mask))
        place = np.where(mask, place, 0)
        times = data.event_time_ms[place]
        ages = np.where(mask, (times[:, :1] - times) / 1000, 0.0).astype(np.float32)
        return HistoryBatch(
            items=torch.from_numpy(np.where(mask, self._event_item[place], 0)),
            kinds=torch.from_numpy(np.where(mask, data.event_kind[place], 0)),
            values=torch.from_numpy(np.where(mask, data.event_value[place], 0.0).astype(np.float32)),
            ages_s=torch.from_numpy(ages),
            mask=torch.from_numpy(mask),
        )
