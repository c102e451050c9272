# SPDX-License-Identifier: Apache-2.0
"""Writes ../types.safetensors: one tensor of each type, by the library of the format.

Run:  python3 safetensors_types.py     (torch 2.15.0, safetensors 0.8.0)
"""

import pathlib

import safetensors
import torch
from safetensors.torch import save_file

PATH = pathlib.Path(__file__).parent.parent / "types.safetensors"
NUMBERS = [0.0, -1.5, 65504.0, 2.0**-24, -(2.0**-14), float("inf"), 3.140625]


def main():
    save_file({
        "f32": torch.tensor([[0.1, -2.0, 3e38], [1e-45, float("inf"), -0.0]]),
        "f16": torch.tensor(NUMBERS, dtype=torch.float16),
        "bf16": torch.tensor([*NUMBERS[:2], 3.3895314e38, 1e-40], dtype=torch.bfloat16),
        "i64": torch.tensor([[-(2**63)], [2**63 - 1]]),
        "i32": torch.tensor([-(2**31), 0, 2**31 - 1], dtype=torch.int32),
        "f64": torch.tensor([1.0], dtype=torch.float64),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(42.0),
        "empty": torch.zeros(3, 0, 2),
    }, PATH, {"generator": "safetensors_types.py", "torch": torch.__version__,
              "safetensors": safetensors.__version__})


if __name__ == "__main__":
    main()
