"""DAH and NoDA on the encoder of IGAN (Venkateswara et al. 2017; Table 3); the equations stand in `dah_losses`.

NoDA trains the encoder by the supervised hash loss on the source alone; DAH aligns the domains besides. So that Table 3
compares losses and nothing else, both take IGAN's encoder (DAH's own has batch norm before the tanh), its batches of
both domains as separate passes, its optimiser (fused Adam at 5e-4, cosine decay over the adaptation steps) and its
schedule.
"""

import copy
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from igan_lib.compared import dah_losses as L
from igan_lib.errors import ConfigError
from igan_lib.method.config import CODE_LENGTH, NonNegative, Positive
from igan_lib.method.hash_method import HashMethod, detached, parameter_groups
from igan_lib.method.losses import quantization_loss
from igan_lib.method.networks import HashNet


class DAHConfig(BaseModel):
    """What NoDA, DAH and SuH may vary. Extra keys are refused, values are checked, instances are immutable.

    Quantisation and entropy are weighed as published: sums over a batch of n, beside a hash loss that is a sum over its
    n^2 pairs. The losses here are means, so these weights are divided by the pairs (`NoDA`, `DAH`).

    MMD has a lower one here: on this encoder, at 16, the codes of the classes stay close to each other, and DAH is no
    better than NoDA. 2 was the best of 0.5, 2, 5 and 16 on two pairs that no table reports (usps -> digits and
    mnist5k -> digits, 350 steps, one seed).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code_length: Annotated[int, Field(ge=8, multiple_of=8)] = CODE_LENGTH
    similar_weight: Positive = 10.0  # as published: similar pairs are few
    batch_size: Annotated[int, Field(ge=2)]  # n, of each domain
    quantization: NonNegative = 1.0  # of the sum of |u - sgn u|^2, as published; 2 d / n times that of our mean
    mmd: NonNegative = 2.0  # published: 5e3 on a sum over n / 2 pairs, which is 5e3 / (2 n) = 16 at n = 155; see above
    entropy: NonNegative = 1.0  # of the sum over n images, as published; 1 / n times that of our mean
    per_class: Annotated[int, Field(ge=1)] = 5  # K, as published
    references: Annotated[int, Field(ge=1)] = 50  # labelled codes a class that an image is compared with; released: 200
    learning_rate: Positive = 5e-4  # IGAN's


class SimilarityClassifier(nn.Module):
    """The classifier of a network that has none: an image is of the class whose labelled codes are most like its own.

    It keeps the codes of the latest labelled images, up to K a class, and has no weights to train. Its logits are
    `dah_losses.class_similarities`, whose softmax is DAH's p_ij.

    Args:
        code_length: d; n_classes: N; references: K.
    """

    def __init__(self, code_length: int, n_classes: int, references: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(n_classes, references, code_length))
        self.register_buffer("seen", torch.zeros(n_classes, dtype=torch.int64))

    @torch.no_grad()
    def remember(self, u: Tensor, y: Tensor) -> None:
        """Take in the codes u (B x d) of images labelled y (B); the oldest of their classes give way."""
        n_classes, references, length = self.codes.shape
        rank, counts = L.rank_in_class(y, n_classes), nn.functional.one_hot(y, n_classes).sum(0)
        place = y * references + (self.seen[y] + rank) % references
        # An older one of so many that they don't fit goes to a row that is thrown away: the number of rows that are
        # written would have to be asked of the device.
        place = torch.where(counts[y] - rank <= references, place, n_classes * references)
        rows = torch.cat([self.codes.flatten(0, 1), self.codes.new_empty(1, length)])
        self.codes.copy_(rows.index_copy_(0, place, u.to(rows.dtype))[:-1].view_as(self.codes))
        self.seen += counts

    def forward(self, u: Tensor) -> Tensor:
        """u: B x d -> B x N logits; the lowest finite number for a class of which no image was seen."""
        known = torch.arange(self.codes.shape[1], device=u.device) < self.seen[:, None]
        return L.class_similarities(u, self.codes, known).clamp(min=torch.finfo(u.dtype).min)


class NoDA(HashMethod):
    """The supervised hash loss on the source alone, "no domain adaptation"; a `training.Method`.

    Args:
        encoder: x -> u in (-1, 1)^d with d = config.code_length, such as `components.build_encoder` gives, with an
            nn.Linear or nn.Conv2d in it (DAH aligns the input and the output of the last one).
        config: see `DAHConfig`; of its weights NoDA reads `similar_weight` and `quantization`.
        n_classes: N.

    `net` is a HashNet with a `SimilarityClassifier`: its logits say how like the remembered labelled codes of each
    class E(x) is. `source_only` is a copy of it as it was after pre-training.

    Raises:
        ConfigError: an encoder without such a layer.
    """

    def __init__(self, encoder: nn.Module, config: DAHConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.n_classes = n_classes
        self.net = HashNet(encoder, config.code_length, n_classes)
        self.net.classifier = SimilarityClassifier(config.code_length, n_classes, config.references)
        last_layer(encoder)
        self.source_only = copy.deepcopy(self.net).requires_grad_(False)
        groups = parameter_groups([encoder], config.learning_rate)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"encoder": torch.optim.Adam(groups, fused=True)}
        self.to(memory_format=torch.channels_last)  # as in IGAN

    # ------------------------------------------------------------------ training

    def pretrain(self, x_s: Tensor, y_s: Tensor) -> dict[str, Tensor]:
        """One step on the source alone. x_s: B images or feature vectors; y_s: B labels. Detached scalar losses."""
        losses: dict[str, Tensor] = {}
        self._descend(self._source_loss(self.net.encode(x_s), y_s, losses))
        return detached(losses)

    def finish_pretraining(self) -> None:
        """Keep a copy of the network: the "before" of every figure."""
        self.source_only.load_state_dict(self.net.state_dict())

    def start_stage(self) -> None:
        """Nothing: a stage keeps the encoder (3.2), and there is no other component to draw anew."""

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step like `pretrain`; x_t is never read."""
        return self.pretrain(x_s, y_s)

    def _source_loss(self, u_s: Tensor, y_s: Tensor, losses: dict[str, Tensor]) -> Tensor:
        """The hash loss and the quantisation of labelled codes, noted in `losses`; the codes are remembered."""
        self.net.classifier.remember(u_s, y_s)
        losses["L_h"] = L.pairwise_likelihood_loss(u_s, y_s, self.config.similar_weight)
        if not self.config.quantization:
            return losses["L_h"]
        losses["L_q"] = quantization_loss(u_s)
        weight = self.config.quantization * 2 * self.config.code_length / self.config.batch_size
        return losses["L_h"] + weight * losses["L_q"]

    def _descend(self, loss: Tensor) -> None:
        optimizer = self.optimizers["encoder"]
        loss.backward(inputs=list(self.net.encoder.parameters()))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


class DAH(NoDA):
    """Domain adaptive hashing: NoDA's loss, MMD between the domains' last layers, entropy of the target's classes.

    A weight of 0 in `config` switches its loss off: it is not computed. See `NoDA` for the arguments.
    """

    capturable = False  # which classes a batch lacks decides the shapes in `dah_losses.target_entropy`

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        """One step on both domains.

        Args:
            x_s: B source images or feature vectors; y_s: B labels; x_t: B of the target.

        Returns:
            The unweighted losses that are on (L_h, L_q, L_mmd, L_e), detached scalars.
        """
        cfg = self.config
        losses: dict[str, Tensor] = {}
        # Two passes, so that each domain is normalised by its own batch statistics.
        u_s, layers_s = code_and_last_layer(self.net.encoder, x_s)
        total = self._source_loss(u_s, y_s, losses)
        if cfg.mmd or cfg.entropy:
            u_t, layers_t = code_and_last_layer(self.net.encoder, x_t)
        if cfg.mmd:
            losses["L_mmd"] = sum(L.multi_kernel_mmd(s, t) for s, t in zip(layers_s, layers_t, strict=True))
            total = total + cfg.mmd * losses["L_mmd"]
        if cfg.entropy:
            losses["L_e"] = L.target_entropy(u_t, u_s, y_s, self.n_classes, cfg.per_class)
            total = total + cfg.entropy / cfg.batch_size * losses["L_e"]
        self._descend(total)
        return detached(losses)


def last_layer(encoder: nn.Module) -> nn.Module:
    """The last nn.Linear or nn.Conv2d of an encoder.

    Raises:
        ConfigError: there is none.
    """
    layers = [module for module in encoder.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    if not layers:
        raise ConfigError(
            f"Expected an encoder with an nn.Linear or nn.Conv2d in it, found {type(encoder).__name__} without: "
            "take one of components.build_encoder."
        )
    return layers[-1]


def code_and_last_layer(encoder: nn.Module, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """u = E(x), with the input and the output of E's last layer (before its tanh), B x anything, flattened.

    These are where DAH's network for digits has its MMD: behind the ReLU of the hidden layer and on the hash layer.
    """
    seen: list[Tensor] = []
    handle = last_layer(encoder).register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0], output)))
    try:
        u = encoder(x)
    finally:
        handle.remove()
    return u, (seen[0].flatten(1), seen[1].flatten(1))
