"""Encoder, generator and discriminator on feature vectors: the networks of Office-31, where fc6 is reconstructed (3.2).

Shapes: features are B x D float, the output of a backbone; codes are B x d in (-1, 1). The paper prints no widths.
"""

from torch import Tensor, nn

HIDDEN = 512  # of the encoder: between the backbone's 1,280 to 4,096 features and the 64 bits


def _hidden_layer(inputs: int, hidden: int, batch_norm: bool) -> list[nn.Module]:
    return [
        nn.Linear(inputs, hidden, bias=not batch_norm),
        nn.BatchNorm1d(hidden) if batch_norm else nn.Identity(),
        nn.ReLU(inplace=True),
    ]


class FeatureEncoder(nn.Module):
    """u = E(x) on features: one hidden layer, then the tanh code; x: B x D -> u: B x d.

    `n_features` is D, `code_length` d; batch norm after the hidden layer, as in `networks.LeNetEncoder`. `dropout`: the
    share of features that are zero in a training step.
    """

    def __init__(self, n_features: int, code_length: int = 64, batch_norm: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout, first = nn.Dropout(dropout), _hidden_layer(n_features, HIDDEN, batch_norm)
        self.layers = nn.Sequential(*first, nn.Linear(HIDDEN, code_length), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """B x D -> B x d in (-1, 1)."""
        return self.layers(self.dropout(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the code layer reads: B x D -> B x `hidden`, not negative."""
        return self.layers[:-2](self.dropout(x))


class FeatureGenerator(nn.Module):
    """x~ = G(u) on features: the encoder turned round; u: B x d -> B x D.

    The last layer is linear. Features come from a ReLU and are never negative, half of them zero: a ReLU here would
    have units that no gradient reaches, and Softplus nears zero so slowly that in 600 steps it learned the mean alone.
    """

    def __init__(self, n_features: int, code_length: int = 64, hidden: int = HIDDEN, batch_norm: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_hidden_layer(code_length, hidden, batch_norm), nn.Linear(hidden, n_features))

    def forward(self, u: Tensor) -> Tensor:
        """B x d in (-1, 1) -> B x D."""
        return self.layers(u)


class FeatureDiscriminator(nn.Module):
    """D(x) on features: N + 1 logits, the N classes and, last, "reconstructed" (2.2); B x D -> B x (N + 1).

    No batch norm, for the reason given at `networks.Discriminator`.
    """

    def __init__(self, n_features: int, n_classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden), nn.LeakyReLU(0.2, inplace=True), nn.Linear(hidden, n_classes + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x D -> B x (N + 1) logits."""
        return self.layers(x)
