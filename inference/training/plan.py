"""How long and how fast everything is trained; one value for everything a person may want to tune."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Defaults: the compact release, tuned on the generator's default world."""

    batch_requests: int = 32
    history_length: int = 64  # events read while training; serving reads all that the release allows
    train_share: float = 0.65  # of the requests, by time; the rest is what the release is judged on
    first_share: float = 0.55  # of the training requests: seen by the foundation model before it writes any row
    num_blocks: int = 3  # of the others: written first, trained on after
    foundation_epochs: int = 2
    foundation_rate: float = 3e-3
    block_rate: float = 1.5e-3  # lower, so that rows of different blocks stay comparable
    ranker_epochs: int = 2
    ranker_rate: float = 3e-3
    head_epochs: int = 1  # of all variants, on the finished towers
    weight_decay: float = 1e-4
    id_dropout: float = 0.1  # training rows that see an item without its id
    user_dropout: float = 0.05  # requests without a user row
    item_dropout: float = 0.025  # candidates without an item row, of those that chance chose where it chose enough
    no_pair_share: float = 0.25  # requests without any pair row
    pair_coverage: float = 0.6  # of the candidates of the other requests
    aggregate_coverage: float = 0.7  # of the candidates without a pair row
    conversion_loss: float = 0.3
