# SPDX-License-Identifier: Apache-2.0
"""Writes ../clip_vision_tower/: a tiny random CLIPVisionModel and its golden.

Run:  python3 clip_vision_tower.py     (torch 2.15.0, transformers 5.24.0, safetensors 0.8.0)
golden.safetensors says in its metadata which versions wrote it. The model runs in float64 from the
f32 parameters of model.safetensors, so that the golden is exact to f32 rounding. Three cases: both
activations at the size of the configuration (3 x 3 patches), and quick_gelu at 5 x 2 patches, for
which the positions are interpolated up in one direction and down in the other. For each:
last_hidden_state, pooler_output, and the gradient of sum(last_hidden_state * hidden cotangent) +
sum(pooler_output * pooler cotangent) to every parameter.
"""

import pathlib
import platform

import safetensors
import torch
import transformers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "clip_vision_tower"
PATCH = 4


def configuration(activation):
    return transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        image_size=12, patch_size=PATCH, hidden_act=activation, layer_norm_eps=1e-5)


def randomise(model):
    """Values so large that nothing is nearly linear; norms around 1."""
    for name, values in sorted(model.named_parameters()):
        centre = 1.0 if "norm" in name and name.endswith(".weight") else 0.0
        values.data = centre + 0.4 * torch.randn(values.shape)


def run(model, name, activation, shape):
    variant = transformers.CLIPVisionModel(configuration(activation)).double().eval()
    variant.load_state_dict({key: v.double() for key, v in model.state_dict().items()})
    pixels = torch.randn(shape)
    result = variant(pixel_values=pixels.double(), interpolate_pos_encoding=name == "interpolated")
    hidden, pooler = result.last_hidden_state, result.pooler_output
    cotangents = torch.randn(hidden.shape), torch.randn(pooler.shape)
    ((hidden * cotangents[0].double()).sum() + (pooler * cotangents[1].double()).sum()).backward()
    golden = {
        "pixel_values": pixels, "last_hidden_state": hidden.detach().float(),
        "pooler_output": pooler.detach().float(), "cotangent.last_hidden_state": cotangents[0],
        "cotangent.pooler_output": cotangents[1]}
    for key, values in variant.named_parameters():
        golden[f"gradient.{key}"] = values.grad.float()
    return {f"{name}.{key}": v.contiguous() for key, v in golden.items()}


def main():
    torch.manual_seed(20261125)
    model = transformers.CLIPVisionModel(configuration("quick_gelu"))
    randomise(model)
    model.save_pretrained(FOLDER)
    golden = {
        **run(model, "quick_gelu", "quick_gelu", (2, 3, 12, 12)),
        **run(model, "gelu", "gelu", (1, 3, 12, 12)),
        **run(model, "interpolated", "quick_gelu", (2, 3, 5 * PATCH, 2 * PATCH))}
    save_file(golden, FOLDER / "golden.safetensors", {
        "generator": "clip_vision_tower.py", "python": platform.python_version(),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "safetensors": safetensors.__version__})


if __name__ == "__main__":
    main()
