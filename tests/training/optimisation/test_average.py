"""The running average against its closed form."""

from __future__ import annotations

import torch

from pixelwise.training.optimisation.average import Average


def test_it_follows_the_closed_form(plain):
    model = plain.Noisy(2)
    average = Average(model, 0.5)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(20):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model.train()(torch.rand(2, 3, 8, 8))  # moves the batch statistics
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            expected[name] = (
                decay * expected[name] + (1 - decay) * value if value.is_floating_point() else value.clone()
            )
    for name, value in average.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)
    assert expected["body.3.num_batches_tracked"] == 20


def test_without_decay_it_is_the_model(plain):
    model = plain.Plain(2)
    average = Average(model, 0.0)
    with torch.no_grad():
        model.head.weight.add_(1)
    average.update(model, 7)
    torch.testing.assert_close(average.model.head.weight, model.head.weight, rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
