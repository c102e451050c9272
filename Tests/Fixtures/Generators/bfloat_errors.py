# SPDX-License-Identifier: Apache-2.0
"""Writes bfloat_errors.json beside the goldens of both towers: what bf16 does to each tensor.

Run:  python3 bfloat_errors.py     (torch 2.15.0, transformers 5.24.0, safetensors 0.8.0)
after bert_tower.py and clip_vision_tower.py, whose models and goldens it reads.

The models of transformers run in float64, but each number that docs/numerics.md calls rounded is
multiplied by 1 + 2^-9 n, with standard normal n drawn anew for every number: the root mean square
of a rounding's relative error. That is the model of errors of docs/numerics.md, with the models'
own sensitivities instead of counted roundings. Nothing is rounded here, and none of our code runs.

For each run and tensor, the root mean square over SAMPLES draws of
"norm": |error| / |golden|, "largest": the largest error / the golden's largest element, and
"factor": error . golden / |golden|^2, which is what a wrong factor of the whole tensor adds to.
The gradients of key biases are zero; their errors are relative to those of the key weights, and
they have no "factor".
"""

import json
import pathlib
import platform

import bert_tower
import clip_vision_tower
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

SAMPLES = 64


class Noise:
    """The roundings of one pass."""

    def __init__(self, deviation):
        self.deviation = deviation
        self.rounded = {}  # by identity: a tensor is rounded once, however many products read it

    def draw(self, x):
        return x * (1 + self.deviation * torch.randn_like(x))

    def of_factor(self, x):
        if id(x) not in self.rounded:
            self.rounded[id(x)] = (x, RoundedForward.apply(x, self))
        return self.rounded[id(x)][1]


class RoundedForward(torch.autograd.Function):
    @staticmethod
    def forward(context, x, noise):
        return noise.draw(x)

    @staticmethod
    def backward(context, gradient):
        return gradient, None


class RoundedBackward(torch.autograd.Function):
    @staticmethod
    def forward(context, x, noise):
        context.noise = noise
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return context.noise.draw(gradient), None


class RoundedSoftmax(torch.autograd.Function):
    """Its weights are kept rounded, also for the way back."""

    @staticmethod
    def forward(context, scores, noise):
        weights = noise.draw(scores.softmax(-1))
        context.noise = noise
        context.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(context, gradient):
        weights, = context.saved_tensors
        inner = gradient - (weights * gradient).sum(-1, keepdim=True)
        return context.noise.draw(weights * inner), None


def attention(module, query, key, value, mask, scaling, **_):
    noise = module.noise
    query, key, value = (noise.of_factor(x) for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) * scaling
    weights = RoundedSoftmax.apply(scores if mask is None else scores + mask, noise)
    mixed = RoundedBackward.apply(weights @ value, noise)
    return mixed.transpose(1, 2).contiguous(), weights


def linear(module, feeds_gelu, follows_gelu):
    def forward(x):
        if follows_gelu:
            x = RoundedBackward.apply(x, module.noise)
        product = F.linear(module.noise.of_factor(x), module.noise.of_factor(module.weight))
        result = RoundedBackward.apply(product, module.noise)
        if module.bias is not None:
            result = result + module.bias
        return module.noise.of_factor(result) if feeds_gelu else result
    return forward


def convolution(module):
    def forward(x):
        x, weight = module.noise.of_factor(x), module.noise.of_factor(module.weight)
        return RoundedBackward.apply(F.conv2d(x, weight, stride=module.stride), module.noise)
    return forward


def with_noise(model, state, noise):
    model = model.double().eval()
    model.load_state_dict({name: v.double() for name, v in state.items()}, strict=False)
    model.set_attn_implementation("rounded")
    for name, module in model.named_modules():
        module.noise = noise
        if isinstance(module, torch.nn.Linear):
            feeds_gelu = name.endswith(("intermediate.dense", "mlp.fc1"))
            follows_gelu = name.endswith(("output.dense", "mlp.fc2")) and "attention" not in name
            module.forward = linear(module, feeds_gelu, follows_gelu)
        if isinstance(module, torch.nn.Conv2d):
            module.forward = convolution(module)
    return model


def run_bert(state, golden, run, noise):
    model = with_noise(transformers.BertModel(bert_tower.configuration(run)), state, noise)
    mask = golden["attention_mask"]
    hidden = model(input_ids=golden["input_ids"], attention_mask=mask,
                   token_type_ids=golden["token_type_ids"]).last_hidden_state
    hidden = hidden * mask.unsqueeze(-1)
    (hidden * noise.draw(golden["cotangent"].double())).sum().backward()
    return model, {"last_hidden_state": hidden.detach()}


def run_clip(state, golden, run, noise):
    activation = "gelu" if run == "gelu" else "quick_gelu"
    model = with_noise(
        transformers.CLIPVisionModel(clip_vision_tower.configuration(activation)), state, noise)
    result = model(pixel_values=golden[f"{run}.pixel_values"].double(),
                   interpolate_pos_encoding=run == "interpolated")
    outputs = {"last_hidden_state": result.last_hidden_state,
               "pooler_output": result.pooler_output}
    sum((output * noise.draw(golden[f"{run}.cotangent.{name}"].double())).sum()
        for name, output in outputs.items()).backward()
    return model, {name: output.detach() for name, output in outputs.items()}


def tensors(tower, state, golden, run, deviation):
    model, found = tower(state, golden, run, Noise(deviation))
    for name, values in model.named_parameters():
        if values.grad is not None:
            found[f"gradient.{name}"] = values.grad
    return found


def sizes(error, of, terms):
    result = {"norm": error.norm() / terms.norm(), "largest": error.abs().max() / terms.abs().max()}
    if terms is of:
        result["factor"] = (error * of).sum() / of.square().sum()
    return result


def sample(tower, state, golden, run):
    def golden_of(name):
        return golden[f"{run}.{name}"].double()

    def terms_of(name):
        """Where the golden is zero, numbers as large as those that cancelled."""
        cancels = name.endswith(("self.key.bias", "k_proj.bias"))
        return golden_of(name.removesuffix("bias") + "weight") if cancels else None

    def errors(deviation):
        result = {}
        for name, values in tensors(tower, state, golden, run, deviation).items():
            of, terms = golden_of(name), terms_of(name)
            result[name] = sizes(values - of, of, of if terms is None else terms)
        return result

    exact = max(abs(size) for by_name in errors(0.0).values() for size in by_name.values())
    assert exact < 1e-6, f"without noise {run} is off by {exact}"
    draws = [errors(2.0**-9) for _ in range(SAMPLES)]
    return {name: {key: float(f"{rms([draw[name][key] for draw in draws]):.4g}") for key in kinds}
            for name, kinds in draws[0].items()}


def rms(values):
    return torch.stack(values).square().mean().sqrt().item()


def main():
    torch.manual_seed(20261127)
    AttentionInterface.register("rounded", attention)
    AttentionMaskInterface.register("rounded", eager_mask)
    for folder, tower, runs in (
            (bert_tower.FOLDER, run_bert, ("gelu", "quick_gelu")),
            (clip_vision_tower.FOLDER, run_clip, ("quick_gelu", "gelu", "interpolated"))):
        state, golden = (load_file(folder / f"{name}.safetensors") for name in ("model", "golden"))
        result = {
            "generator": f"bfloat_errors.py, Python {platform.python_version()}, torch "
                         f"{torch.__version__}, transformers {transformers.__version__}",
            "runs": {run: sample(tower, state, golden, run) for run in runs}}
        path = pathlib.Path(folder) / "bfloat_errors.json"
        path.write_text(json.dumps(result, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
