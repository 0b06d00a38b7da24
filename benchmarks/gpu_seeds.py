"""One IGAN step of several seeds at once, over stacked weights (torch.func): an experiment of gpu_steps.py."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from igan_lib.method import losses as L
from igan_lib.method.igan import IGAN, ramp
from igan_lib.training.captured import make_capturable


class PlainBatchNorm(nn.Module):
    """Batch norm in training, written out: vmap has no rule for the one of cuDNN."""

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps, self.momentum = layer.weight, layer.bias, layer.eps, layer.momentum
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))

    def forward(self, x: Tensor) -> Tensor:
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        var, mean = torch.var_mean(x, axes, correction=0)
        count = x.numel() / x.shape[1]
        with torch.no_grad():
            self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
            self.running_var.mul_(1 - self.momentum).add_(self.momentum * count / (count - 1) * var)
            self.num_batches_tracked.add_(1)
        scale = self.weight / (var + self.eps).sqrt()
        return x * scale.view(shape) + (self.bias - mean * scale).view(shape)


def with_plain_batch_norm(network: nn.Module) -> nn.Module:
    for name, layer in network.named_children():
        plain = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        setattr(network, name, PlainBatchNorm(layer) if plain else with_plain_batch_norm(layer))
    return network


class Stack:
    """Networks of one architecture as one: parameters and statistics have a first axis, the seeds."""

    def __init__(self, networks: list[nn.Module]) -> None:
        self.base = with_plain_batch_norm(copy.deepcopy(networks[0])).to("meta")
        self.parameters, self.buffers = stack_module_state(networks)

    def __call__(self, x: Tensor, *, shared: bool = False) -> Tensor | tuple[Tensor, ...]:
        """`shared`: x is one batch for all seeds; else its first axis is the seeds' too."""

        def call(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(self.base, (parameters, buffers), (x,))

        return vmap(call, in_dims=(0, 0, None if shared else 0))(self.parameters, self.buffers, x)


def stacked_update(methods: list[IGAN], batch: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Tensor]:
    """`IGAN.update` of all losses, at the methods' progress, for all `methods` at once; it returns their L_D and L_c.

    The methods are those of several seeds; they are read once and stay as they are. `batch`: x_s, y_s and x_t, the same
    for all. The function returns a 2 x seeds tensor, the losses before its step.
    """
    cfg, n_classes = methods[0].config, methods[0].n_classes
    x_s, y_s, x_t = batch
    growth = ramp(methods[0].progress)
    net, g_s, g_t, d_s, d_t = (
        Stack([getattr(method, name) for method in methods]) for name in ("net", "g_s", "g_t", "d_s", "d_t")
    )

    def adam(stacks: tuple[Stack, ...], rate: float, beta: float) -> torch.optim.Optimizer:
        return torch.optim.Adam([p for s in stacks for p in s.parameters.values()], rate, (beta, 0.999), fused=True)

    rate = cfg.gan_learning_rate
    optimizers = {
        "net": adam((net,), cfg.learning_rate, 0.9),
        "generators": adam((g_s, g_t), rate, 0.5),
        "discriminators": adam((d_s, d_t), cfg.discriminator_rate * rate, 0.5),
    }
    make_capturable(optimizers, x_s.device)

    def descend(loss: Tensor, *names: str) -> None:
        parameters = [p for name in names for group in optimizers[name].param_groups for p in group["params"]]
        loss.sum().backward(inputs=parameters)
        for name in names:
            optimizers[name].step()
            optimizers[name].zero_grad(set_to_none=True)

    def of_discriminators(real_s: Tensor, fake_s: Tensor, real_t: Tensor, fake_t: Tensor, pseudo_t: Tensor) -> Tensor:
        return L.discriminator_loss(real_s, y_s, fake_s) + L.discriminator_loss(real_t, pseudo_t, fake_t)

    def of_the_rest(
        u_s: Tensor, l_s: Tensor, u_t: Tensor, l_t: Tensor, x_ss: Tensor, x_tt: Tensor, as_t: Tensor, as_s: Tensor
    ) -> tuple[Tensor, Tensor]:
        pseudo_t = L.pseudo_labels(l_t, cfg.threshold)
        loss_c = L.classification_loss(l_s, y_s, l_t, pseudo_t, cfg.epsilon * growth)
        total = loss_c + cfg.alpha * L.hash_loss(u_s, y_s, cfg.v)
        total = total + cfg.beta * growth * L.semantic_centroid_loss(u_s, y_s, u_t, pseudo_t, n_classes)
        total = total + cfg.chi * (L.reconstruction_loss(x_s, x_ss) + L.reconstruction_loss(x_t, x_tt))
        adversarial = L.generator_loss(as_t, y_s) + L.generator_loss(as_s, pseudo_t)
        return total + cfg.adversarial * growth * adversarial, loss_c

    def step() -> Tensor:
        (u_s, l_s), (u_t, l_t) = net(x_s, shared=True), net(x_t, shared=True)
        both = torch.cat([u_s, u_t], dim=1)
        x_ss, x_ts = g_s(both).split([len(x_s), len(x_t)], dim=1)
        x_st, x_tt = g_t(both).split([len(x_s), len(x_t)], dim=1)
        pseudo_t = vmap(lambda logits: L.pseudo_labels(logits, cfg.threshold))(l_t)
        real = d_s(x_s, shared=True), d_t(x_t, shared=True)
        fake = d_s(x_ts.detach()), d_t(x_st.detach())
        loss_d = vmap(of_discriminators)(real[0], fake[0], real[1], fake[1], pseudo_t)
        descend(loss_d, "discriminators")
        total, loss_c = vmap(of_the_rest)(u_s, l_s, u_t, l_t, x_ss, x_tt, d_t(x_st), d_s(x_ts))
        descend(total, "net", "generators")
        return torch.stack([loss_d, loss_c]).detach()

    return step
