import torch
from torch.autograd import grad

from inference.models.tables import make_tables


def test_torchrec_and_the_plain_twin_give_equal_rows_gradients_and_state() -> None:
    torch.manual_seed(0)
    plain, torchrec = make_tables("plain", 7, 11, 8), make_tables("torchrec", 7, 11, 8)
    torchrec.load_state_dict(plain.state_dict())
    index = torch.tensor([[1, 2, 0], [0, 6, 6]])
    tokens, offsets = torch.tensor([1, 2, 3, 3, 10]), torch.tensor([0, 2, 2, 5])
    results = []
    for tables in (plain, torchrec):
        rows, pooled = tables.items(index), tables.features(tokens, offsets)
        names, parameters = zip(*tables.named_parameters(), strict=True)
        gradients = dict(zip(names, grad(rows.square().sum() + pooled.square().sum(), parameters), strict=True))
        results.append((rows, pooled, gradients))
    (rows, pooled, gradients), (rows_2, pooled_2, gradients_2) = results
    assert torch.equal(rows, rows_2)
    torch.testing.assert_close(pooled, pooled_2)
    assert bool((pooled[1] == 0).all())
    assert gradients.keys() == gradients_2.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, gradients_2[name])
