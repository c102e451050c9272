# SPDX-License-Identifier: Apache-2.0
"""Writes ../bert_tower/: a tiny random BertModel as `save_pretrained` writes it, and its golden.

Run:  python3 bert_tower.py     (torch 2.15.0, transformers 5.24.0, safetensors 0.8.0)
golden.safetensors says in its metadata which versions wrote it. The model runs in float64 from the
f32 parameters of model.safetensors, so that the golden is exact to f32 rounding. For each
activation: last_hidden_state with zeros at masked places, the mean of each row's taken places, and
the gradient of sum(last_hidden_state * cotangent) to every parameter.
"""

import json
import pathlib
import platform

import safetensors
import torch
import transformers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "bert_tower"
IDS = [[2, 17, 49, 8, 8, 30, 3], [2, 5, 41, 3, 0, 0, 0], [0, 0, 11, 7, 33, 22, 3]]
# All; padded on the right; padded on the left and with a hole.
MASK = [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 1, 1]]
TYPES = [[0, 0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0]]


def configuration(activation):
    return transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=9, type_vocab_size=2, hidden_act=activation,
        layer_norm_eps=1e-12)


def randomise(model):
    """Values so large that nothing is nearly linear; norms around 1."""
    for name, values in sorted(model.named_parameters()):
        centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        values.data = centre + 0.4 * torch.randn(values.shape)


def run(model, activation, golden):
    ids, mask, types = (golden[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    variant = transformers.BertModel(configuration(activation)).double().eval()
    variant.load_state_dict({name: v.double() for name, v in model.state_dict().items()})
    hidden = variant(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
    hidden = hidden * mask.unsqueeze(-1)
    (hidden * golden["cotangent"].double()).sum().backward()
    golden[f"{activation}.last_hidden_state"] = hidden.detach().float()
    pooled = hidden.sum(1) / mask.sum(1, keepdim=True)
    golden[f"{activation}.pooled"] = pooled.detach().float()
    for name, values in variant.named_parameters():
        if values.grad is not None:
            golden[f"{activation}.gradient.{name}"] = values.grad.float()


def main():
    torch.manual_seed(20261124)
    model = transformers.BertModel(configuration("gelu"))
    randomise(model)
    model.save_pretrained(FOLDER)
    golden = {
        "input_ids": torch.tensor(IDS), "attention_mask": torch.tensor(MASK),
        "token_type_ids": torch.tensor(TYPES), "cotangent": torch.randn(3, 7, 16)}
    for activation in ("gelu", "quick_gelu"):
        run(model, activation, golden)
    save_file({name: v.contiguous() for name, v in golden.items()}, FOLDER / "golden.safetensors", {
        "generator": "bert_tower.py", "python": platform.python_version(),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "safetensors": safetensors.__version__})
    print(json.dumps({"tensors": len(golden)}))


if __name__ == "__main__":
    main()
