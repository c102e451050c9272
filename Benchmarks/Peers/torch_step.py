# SPDX-License-Identifier: Apache-2.0
"""The peer of `benchmarks step`: the same pre-training step in PyTorch, and its peak memory.

Text and frames go through one BERT stream, frames through a CLIP vision tower first: masked
language modelling on 15 % of the tokens, matching, InfoNCE in both directions against a bank of
4096 keys, a momentum copy for the keys, AdamW and the moving average. Texts have one length,
because padding is what PyTorch does with real ones: `--text 256` stands for 16 to 256 tokens.

Needs torch and transformers; measured with torch 2.15.0 and transformers 5.24.0.
usage: torch_step.py --size small|base --batch 8 --text 128 --dtype f32|bf16 [--compile]
"""
import argparse
import copy
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

VOCABULARY, FRAMES, BANK, PROJECTION = 21_128, 8, 4096, 256
SIZES = {
    "small": dict(width=384, inner=1536, layers=6, heads=6, pixels=112, patch=16),
    "base": dict(width=768, inner=3072, layers=12, heads=12, pixels=224, patch=32),
}


class Model(nn.Module):
    def __init__(self, size):
        super().__init__()
        width = size["width"]
        common = dict(
            hidden_size=width, num_hidden_layers=size["layers"],
            num_attention_heads=size["heads"], intermediate_size=size["inner"])
        self.stream = BertModel(
            BertConfig(
                vocab_size=VOCABULARY, hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0, **common),
            add_pooling_layer=False)
        self.vision = CLIPVisionModel(
            CLIPVisionConfig(image_size=size["pixels"], patch_size=size["patch"], **common))
        self.frame_projection = nn.Linear(width, width)
        self.language = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.language_bias = nn.Parameter(torch.zeros(VOCABULARY))
        self.matching = nn.Linear(width, 2)
        self.text_projection = nn.Linear(width, PROJECTION)
        self.video_projection = nn.Linear(width, PROJECTION)

    def encode(self, tokens, frames):
        """Hidden rows of the texts, the mean of all rows, unit vectors of text and video."""
        rows, length = tokens.shape
        frame_rows = self.vision(frames.flatten(0, 1)).pooler_output.view(rows, FRAMES, -1)
        words = self.stream.embeddings.word_embeddings(tokens)
        x = torch.cat([words, self.frame_projection(frame_rows)], 1)
        mask = x.new_ones(x.shape[:2])
        hidden = self.stream(inputs_embeds=x, attention_mask=mask).last_hidden_state
        text, video = hidden[:, :length], hidden[:, length:]
        return (
            text, hidden.mean(1),
            F.normalize(self.text_projection(text.mean(1)), dim=-1),
            F.normalize(self.video_projection(video.mean(1)), dim=-1))

    def language_logits(self, hidden):
        table = self.stream.embeddings.word_embeddings.weight
        return self.language(hidden) @ table.t() + self.language_bias


class Step:
    def __init__(self, arguments):
        torch.manual_seed(0)
        size = SIZES[arguments.size]
        self.model = Model(size)
        self.key_model = copy.deepcopy(self.model)
        for parameter in self.key_model.parameters():
            parameter.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.autocasts = arguments.dtype == "bf16"
        batch = arguments.batch
        self.tokens = torch.randint(0, VOCABULARY, (batch, arguments.text))
        self.frames = torch.randn(batch, FRAMES, 3, size["pixels"], size["pixels"])
        self.chosen = torch.rand(batch, arguments.text) < 0.15
        self.text_bank = F.normalize(torch.randn(BANK, PROJECTION), dim=-1)
        self.video_bank = F.normalize(torch.randn(BANK, PROJECTION), dim=-1)
        self.evaluate = torch.compile(self.loss) if arguments.compile else self.loss

    def loss(self):
        pairs = torch.arange(len(self.tokens))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocasts):
            hidden, pooled, text, video = self.model.encode(self.tokens, self.frames)
            with torch.no_grad():
                _, _, text_key, video_key = self.key_model.encode(self.tokens, self.frames)

            def align(queries, keys, bank):
                scores = queries @ torch.cat([keys, bank.to(keys.dtype)]).t().to(queries.dtype)
                return F.cross_entropy(scores.float() / 0.07, pairs)

            logits = self.model.language_logits(hidden[self.chosen]).float()
            return (
                F.cross_entropy(logits, self.tokens[self.chosen])
                + F.cross_entropy(self.model.matching(pooled).float(), pairs % 2)
                + align(text, video_key, self.video_bank)
                + align(video, text_key, self.text_bank))

    def run(self):
        loss = self.evaluate()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.key_model.parameters()), list(self.model.parameters()), 0.005)
        return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--text", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    step = Step(arguments)
    seconds = []
    for number in range(arguments.steps + 2):
        start = time.perf_counter()
        loss = step.run()
        if number >= 2:
            seconds.append(time.perf_counter() - start)
    median = sorted(seconds)[len(seconds) // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"torch {torch.__version__} {arguments.size} {arguments.dtype} batch={arguments.batch} "
        f"text={arguments.text} {'compiled' if arguments.compile else 'eager'}: "
        f"{median * 1e3:.0f} ms/step {arguments.batch / median:.2f} clips/s loss {loss:.3f}; "
        f"memory: {peak / 1e6:.0f} MB in all")


if __name__ == "__main__":
    main()
