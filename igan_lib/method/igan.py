"""The method: `IGAN.update` is Eq. 11-14, read from top to bottom; what it may vary stands in `config.py`."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from igan_lib.method import losses as L
from igan_lib.method.components import (
    FineTunedEncoder,
    Pretrained,
    Shape,
    build_discriminator,
    build_encoder,
    build_generators,
)
from igan_lib.method.config import IGANConfig
from igan_lib.method.hash_method import HashMethod, detached, parameter_groups
from igan_lib.method.networks import HashNet


def ramp(progress: float | Tensor) -> float | Tensor:
    r"""The factor of epsilon, beta and L_a's weight: $\frac{2}{1 + e^{-10 p}} - 1$, from 0 at p = 0 to 0.9999 at 1.

    Not in the paper; the authors' released code has it, as Ganin and Lempitsky (2015) do. `progress` is p in [0, 1],
    the share of the adaptation steps taken; where it is a 0-d tensor, the factor is one too.
    """
    if isinstance(progress, Tensor):
        return 2 * torch.sigmoid(10 * progress) - 1
    return 2 / (1 + math.exp(-10 * progress)) - 1


class IGAN(HashMethod):
    """Domain adaptive hashing with intersectant generative adversarial networks.

    Args:
        config: see `config.IGANConfig`.
        shape: of one input of either domain: (C, S, S) for images, (D,) for features.
        n_classes: N.
        backbone: a network to fine-tune as the first part of the encoder; generators and discriminators then see its
            features in the place of images. None: there is none, or its features are the inputs (`frozen`).

    Weights are drawn from torch's global random state: seed it first (`torch.manual_seed`), as `experiment.run` does.
    `memory` gives L_n where it is on: `experiment.methods.build` sets a `training.neighbours.NeighbourMemory`.
    """

    def __init__(self, config: IGANConfig, shape: Shape, n_classes: int, backbone: Pretrained | None = None) -> None:
        super().__init__()
        self.config = config
        self.n_classes = n_classes
        self.uses_generators = bool({"a", "1"} & set(config.losses))
        self._shape = shape if backbone is None else (backbone.dimension,)
        asked = (config.encoder, shape, config.code_length, config.batch_norm, backbone)
        encoder = build_encoder(*asked, dropout=config.feature_dropout)
        self.net = HashNet(encoder, config.code_length, n_classes)
        self.source_only = copy.deepcopy(self.net).requires_grad_(False)
        if config.weight_average:
            self.averaged = copy.deepcopy(self.net).requires_grad_(False)
        self._starts_average = False  # a run that goes on from a checkpoint has an average
        if config.centroid_memory:
            self.register_buffer("centroids", torch.zeros(2, n_classes, config.code_length))
            self.register_buffer("centroids_known", torch.zeros(2, n_classes, dtype=torch.bool))
        self.memory: nn.Module | None = None
        self.optimizers: dict[str, torch.optim.Optimizer] = {"encoder": self._optimizer(self.net.encoder)}
        self._build_other_components()
        self.to(memory_format=torch.channels_last)  # a step takes three quarters of the time on a CPU (benchmarks/)

    def _build_other_components(self) -> None:
        """C, G^s, G^t, D^s, D^t and their optimisers, drawn anew: at the start and at each later stage (3.2)."""
        cfg, shape = self.config, self._shape
        device = next(self.net.parameters()).device
        self.net.classifier = nn.Linear(cfg.code_length, self.n_classes).to(device)
        self.optimizers["classifier"] = self._optimizer(self.net.classifier)
        if self.uses_generators:
            generators = build_generators(shape, cfg.code_length, cfg.generator_width, cfg.generators)
            self.g_s, self.g_t = (generator.to(device) for generator in generators)
            self.optimizers["generators"] = self._optimizer(self.g_s, self.g_t, gan=1.0)
        if "a" in cfg.losses:
            classes = self.n_classes if cfg.discriminators == "n+1" else 1  # one class: "real"
            asked = (shape, classes, cfg.discriminator_width, cfg.spectral_norm)
            self.d_s, self.d_t = (build_discriminator(*asked).to(device) for _ in range(2))
            self.optimizers["discriminators"] = self._optimizer(self.d_s, self.d_t, gan=cfg.discriminator_rate)

    def _optimizer(self, *modules: nn.Module, gan: float = 0.0) -> torch.optim.Optimizer:
        """`gan`: times the rate of G and D; 0 is for E and C, which have their own."""
        cfg = self.config
        groups = parameter_groups(modules, gan * cfg.gan_learning_rate or cfg.learning_rate)
        if cfg.optimizer == "sgd":
            return torch.optim.SGD(groups, momentum=0.9)
        # beta1 = 0.5 for G and D as since DCGAN: their targets move. fused: one kernel for all tensors.
        return torch.optim.Adam(groups, betas=(0.5 if gan else 0.9, 0.999), fused=True)

    def pretrain(self, x_s: Tensor, y_s: Tensor) -> dict[str, Tensor]:
        """One source-only step of E and C on L_c and, where it is on, alpha L_h (3.2: "pre-train the encoder").

        x_s: B x C x S x S in [-1, 1]; y_s: B labels. Returns the losses, detached scalars.
        """
        cfg = self.config
        with self._autocast(x_s):
            u_s, logits_s = self.net(x_s)
            losses = {"L_c": nn.functional.cross_entropy(logits_s, y_s)}
            total = losses["L_c"]
            if "h" in cfg.losses:
                losses["L_h"] = L.hash_loss(u_s, y_s, cfg.v)
                total = total + cfg.alpha * losses["L_h"]
        self._descend(total, "encoder", "classifier")
        return detached(losses)

    def finish_pretraining(self) -> None:
        """Keep a copy of the source-only network: the "before" of every figure and the baseline of every table."""
        self.source_only.load_state_dict(self.net.state_dict())
        self._starts_average = True

    def start_stage(self) -> None:
        """Keep E, draw all other components anew, with fresh optimisers (3.2)."""
        self._build_other_components()
        self.to(memory_format=torch.channels_last)
        if self.config.weight_average:  # the average of an old classifier and a new one would fit neither
            self.averaged.classifier.load_state_dict(self.net.classifier.state_dict())

    def update(self, x_s: Tensor, y_s: Tensor, x_t: Tensor) -> dict[str, Tensor]:
        r"""One step of Eq. 11-14 on a batch.

        $$L = L_c + \lambda_a L_a + \alpha L_h + \beta L_s + \chi L_1 \qquad (11)$$

        D descends its side of L_a first (14), then E, C and G descend theirs of L together (12, 13).

        Args:
            x_s: B x C x S x S source images in [-1, 1]; y_s: B labels; x_t: B x C x S x S target images.

        Returns:
            The unweighted losses that are on (L_c, L_h, L_s, L_n, L_a, L_1, L_D), `confident`, the share of target
            images with a pseudo-label, and D_s and D_t (`discriminator_accuracy`); detached scalars.
        """
        cfg, on = self.config, set(self.config.losses)
        growth = ramp(self.progress) if cfg.ramp else 1.0
        losses: dict[str, Tensor] = {}
        with self._autocast(x_s):
            # Two passes, so that each domain is normalised by its own batch statistics.
            x_s, u_s, logits_s = self._read(x_s)
            if self._needs_target:
                x_t, u_t, logits_t = self._read(x_t)
                pseudo_t = L.pseudo_labels(logits_t, cfg.threshold)
                losses["confident"] = (pseudo_t != L.NO_LABEL).float().mean()
                losses["L_c"] = L.classification_loss(logits_s, y_s, logits_t, pseudo_t, cfg.epsilon * growth)
            else:
                losses["L_c"] = nn.functional.cross_entropy(logits_s, y_s)
            total = losses["L_c"]
            if "h" in on:
                losses["L_h"] = L.hash_loss(u_s, y_s, cfg.v)
                total = total + cfg.alpha * losses["L_h"]
            if "s" in on:
                losses["L_s"] = self._centroid_loss(u_s, y_s, u_t, pseudo_t)
                total = total + cfg.beta * growth * losses["L_s"]
            if self.memory is not None:
                losses["L_n"] = self.memory.loss(u_t, self.batch_t)
                total = total + cfg.neighbour_weight * growth * losses["L_n"]
            if self.uses_generators:
                x_ss, x_ts, x_tt, x_st = self._reconstruct(u_s, u_t)
            if "1" in on:
                losses["L_1"] = L.reconstruction_loss(x_s, x_ss) + L.reconstruction_loss(x_t, x_tt)
                total = total + cfg.chi * losses["L_1"]
            if "a" in on:
                losses |= self._train_discriminators(x_s, y_s, x_ts.detach(), x_t, pseudo_t, x_st.detach())
                losses["L_a"] = self.adversarial_loss(x_st, y_s, x_ts, pseudo_t)
                total = total + cfg.adversarial * growth * losses["L_a"]
        self._descend(total, "encoder", "classifier", *(["generators"] if self.uses_generators else []))
        if cfg.weight_average:
            self._average()
        return detached(losses)

    def _average(self) -> None:
        """Take weights and batch norm's statistics into their moving average, which begins with those of one step."""
        keep, self._starts_average = 0.0 if self._starts_average else self.config.weight_average, False
        old, new = ([t for t in n.state_dict().values() if t.is_floating_point()] for n in (self.averaged, self.net))
        get_ema_multi_avg_fn(keep)(old, new, None)

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is to be reconstructed, u and the logits: of x itself or, where a backbone is fine-tuned, its features.

        These are constants for L_1 and L_a, as images are: else the backbone could lower L_1 by features that vanish.
        """
        encoder = self.net.encoder
        if not isinstance(encoder, FineTunedEncoder):
            return x, *self.net(x)
        features = encoder.features(x)
        u = encoder.encoder(features)
        return features.detach(), u, self.net.classifier(u)

    @property
    def _needs_target(self) -> bool:
        cfg = self.config
        return max(cfg.epsilon, cfg.neighbour_weight) > 0 or bool({"s", "a", "1"} & set(cfg.losses))

    def _reconstruct(self, u_s: Tensor, u_t: Tensor) -> tuple[Tensor | None, ...]:
        """Eq. 6 and 8: G^s(u^s), G^s(u^t), G^t(u^t), G^t(u^s); without L_a none is drawn crosswise (None)."""
        if "a" not in self.config.losses:
            return self.g_s(u_s), None, self.g_t(u_t), None
        # One pass for both domains' codes: half the calls, and both are normalised by the same statistics, so that
        # batch norm can't hide from D which domain a code came from. Without L_1 too, so that it alone is left out.
        x_ss, x_ts = self.g_s(torch.cat([u_s, u_t])).split([len(u_s), len(u_t)])
        x_st, x_tt = self.g_t(torch.cat([u_s, u_t])).split([len(u_s), len(u_t)])
        return x_ss, x_ts, x_tt, x_st

    def _train_discriminators(
        self, x_s: Tensor, y_s: Tensor, x_ts: Tensor, x_t: Tensor, pseudo_t: Tensor, x_st: Tensor
    ) -> dict[str, Tensor]:
        """Eq. 14: D^s on real x^s and fake x~^ts, D^t on real x^t and fake x~^st. Returns what held before the step."""
        y_s, pseudo_t = self._asked_classes(y_s), self._asked_classes(pseudo_t)
        for _ in range(self.config.discriminator_steps):
            real_s, fake_s = self.d_s(self._seen(torch.cat([x_s, x_ts]))).split([len(x_s), len(x_ts)])
            real_t, fake_t = self.d_t(self._seen(torch.cat([x_t, x_st]))).split([len(x_t), len(x_st)])
            loss = L.discriminator_loss(real_s, y_s, fake_s) + L.discriminator_loss(real_t, pseudo_t, fake_t)
            self._descend(loss, "discriminators")
        told = {"D_s": L.discriminator_accuracy(real_s, fake_s), "D_t": L.discriminator_accuracy(real_t, fake_t)}
        return {"L_D": loss, **told}

    def _seen(self, x: Tensor) -> Tensor:
        """What D sees of images: with `instance_noise`, which falls to nothing, no detail tells the two kinds early."""
        noise = self.config.instance_noise
        return x + noise * (1 - self.progress) * torch.randn_like(x) if noise else x

    def adversarial_loss(self, x_st: Tensor, y_s: Tensor, x_ts: Tensor, pseudo_t: Tensor) -> Tensor:
        """L_a of E and G (Eq. 9, 10): crosswise images must pass as real, with the class of the code they came from."""
        of_source = L.generator_loss(self.d_t(self._seen(x_st)), self._asked_classes(y_s))
        return of_source + L.generator_loss(self.d_s(self._seen(x_ts)), self._asked_classes(pseudo_t))

    def _asked_classes(self, y: Tensor) -> Tensor:
        """The labels that the discriminators are asked for: y or, of real/fake ones, none."""
        return y if self.config.discriminators == "n+1" else torch.full_like(y, L.NO_LABEL)

    def _centroid_loss(self, u_s: Tensor, y_s: Tensor, u_t: Tensor, pseudo_t: Tensor) -> Tensor:
        """L_s on the mini-batch's centroids or, with `centroid_memory`, on moving averages (Xie et al. 2018)."""
        keep = self.config.centroid_memory
        if not keep:
            return L.semantic_centroid_loss(u_s, y_s, u_t, pseudo_t, self.n_classes)
        mixed = []
        for domain, (u, y) in enumerate(((u_s, y_s), (u_t, pseudo_t))):
            now, present = L.class_centroids(u, y, self.n_classes)
            known = self.centroids_known[domain]
            old = torch.where(known[:, None], self.centroids[domain], now.detach())
            mixed.append(torch.where(present[:, None], keep * old + (1 - keep) * now, old))
            self.centroids[domain] = mixed[-1].detach()
            self.centroids_known[domain] |= present
        return L.centroid_distance(mixed[0], mixed[1], self.centroids_known.all(0))

    def _autocast(self, x: Tensor) -> torch.autocast:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    @property
    def inference_net(self) -> HashNet:
        """The network that is evaluated: that of the last step or, in igan+, its moving average."""
        return self.averaged if self.config.weight_average else self.net
