# SPDX-License-Identifier: Apache-2.0
"""Writes ../ten_steps.json: ten steps of training a tiny single-stream model, in float64.

Run:  python3 ten_steps.py      (torch 2.15.0, numpy 2.4.6)
ten_steps.json says in its first field which versions wrote it. Written against torch from the
papers (BERT, ViT, MoCo, ALBEF, AdamW) and docs/, not from our code: every view runs by itself, the
losses of all lanes become one sum, autograd differentiates it, torch.optim.AdamW updates. The
random choices of masked language modelling come from a second implementation of the keyed counters
(see sample_order.py). Configuration numbers are rounded to f32, as a configuration holds them.

The ten steps have: a short last step of an epoch, whose lanes have 2 and 1 planned rows; clips
without text and without frames; a clip that was planned and could not be read; a memory bank that
fills, wraps inside a step, and holds earlier keys of clips that come again; steps whose gradient
is clipped and others whose gradient is not.

The same program in float32 gives the field "float32": what rounding does to these numbers.
"""

import copy
import json
import math
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

WIDTH, HEADS, INNER, LAYERS, VISION_LAYERS, PATCH, SIZE = 8, 2, 12, 2, 1, 4, 8
FRAMES, TOKENS, VOCABULARY, PROJECTION = 2, 9, 20, 6
SPECIAL, MASK = 5, 4  # tokens 0..4 are special
CLIPS, LANES, ROWS, STEPS = 21, 2, 3, 10
WITHOUT_TEXT, WITHOUT_FRAMES, UNREADABLE = {6, 13}, {3, 17}, (2, 1)  # the last: step, lane
SETTINGS = {
    "seed": 20261126, "laneCount": LANES, "microbatchSize": ROWS, "stepCount": 12,
    "maskedLanguageWeight": 0.7, "maskProbability": 0.3, "alignmentWeight": 1.3,
    "temperature": 0.2, "bankCapacity": 20, "encoderMomentum": 0.8, "learningRate": 0.01,
    "warmUpSteps": 3, "weightDecay": 0.3, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3,
    "gradientNormMax": 2.3}
S = {name: v if isinstance(v, int) else float(np.float32(v)) for name, v in SETTINGS.items()}
PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073]
PIXEL_DEVIATION = [0.26862954, 0.26130258, 0.27577711]


# What is random: parameters, clips, order, masks.


def make_parameters():
    """Values so large that nothing is nearly linear; norms around 1."""
    shapes = {}

    def linear(name, inputs, outputs):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs), (outputs,)

    def norm(name):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (WIDTH,)

    def layer(name):
        for part in ("query", "key", "value", "output"):
            linear(f"{name}.attention.{part}", WIDTH, WIDTH)
        norm(f"{name}.attention.norm")
        linear(f"{name}.intermediate", WIDTH, INNER)
        linear(f"{name}.output", INNER, WIDTH)
        norm(f"{name}.output.norm")

    for table, count in (
            ("embeddings.word", VOCABULARY), ("embeddings.textPosition", TOKENS),
            ("embeddings.framePosition", FRAMES), ("embeddings.type", 2),
            ("vision.position", (SIZE // PATCH) ** 2 + 1)):
        shapes[f"{table}.weight"] = (count, WIDTH)
    for name in ("embeddings.textNorm", "embeddings.frameNorm", "vision.inputNorm",
                 "vision.outputNorm", "language.norm"):
        norm(name)
    linear("vision.patch", 3 * PATCH * PATCH, WIDTH)
    shapes["vision.class"] = (1, WIDTH)
    linear("vision.projection", WIDTH, WIDTH)
    linear("textProjection", WIDTH, PROJECTION)
    linear("videoProjection", WIDTH, PROJECTION)
    linear("language.dense", WIDTH, WIDTH)
    shapes["language.bias"] = (VOCABULARY,)
    for index in range(VISION_LAYERS):
        layer(f"vision.{index}")
    for index in range(LAYERS):
        layer(f"encoder.{index}")
    return {name: (name.lower().endswith("norm.weight")) + 0.4 * torch.randn(shape)
            for name, shape in sorted(shapes.items())}


def make_clips():
    clips = []
    for index in range(CLIPS):
        length = int(torch.randint(2, TOKENS - 1, ()))
        tokens = [2, *torch.randint(SPECIAL, VOCABULARY, (length,)).tolist(), 3]
        count = 1 + index % FRAMES
        frames = torch.randint(0, 256, (count, SIZE, SIZE, 3))
        clips.append({
            "tokens": [] if index in WITHOUT_TEXT else tokens,
            "frames": None if index in WITHOUT_FRAMES else frames})
    return clips


def make_lanes():
    """[step][lane]: planned clips and those that could be read."""
    size = LANES * ROWS
    steps = []
    while len(steps) < STEPS:
        order = torch.randperm(CLIPS).tolist()
        for start in range(0, CLIPS, size):
            batch = order[start:start + size]
            lanes = [batch[lane::LANES] for lane in range(LANES)]
            steps.append([{"planned": len(rows), "clips": rows} for rows in lanes])
    step, lane = UNREADABLE
    del steps[step - 1][lane]["clips"][0]
    return steps[:STEPS]


class Counter:
    """Keyed SplitMix64 counters (Steele, Lea, Flood 2014) for the masks of one lane and step."""
    M64, GOLDEN, TOKEN_MASKING = (1 << 64) - 1, 0x9E3779B97F4A7C15, 3

    def __init__(self, step, lane):
        key = self.mix(S["seed"] + self.GOLDEN)
        key = self.mix(key ^ (self.TOKEN_MASKING * self.GOLDEN & self.M64))
        for coordinate in (step, lane):
            key = self.mix(key + self.GOLDEN + self.mix(coordinate + self.GOLDEN))
        self.key, self.drawn = key, 0

    def mix(self, z):
        z &= self.M64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.M64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.M64
        return z ^ (z >> 31)

    def next(self):
        self.drawn += 1
        return self.mix(self.key + self.drawn * self.GOLDEN)

    def below(self, bound):
        return (self.next() * bound) >> 64

    def unit(self):
        return (self.next() >> 40) / 2**24


def mask_tokens(texts, counter):
    """BERT's recipe; a text with candidates gets at least one. -> masked texts, places."""
    masked, places = [list(text) for text in texts], []
    for index, text in enumerate(texts):
        candidates = [i for i, token in enumerate(text) if token >= SPECIAL]
        chosen = [i for i in candidates if counter.unit() < S["maskProbability"]]
        if candidates and not chosen:
            chosen = [candidates[counter.below(len(candidates))]]
        for place in chosen:
            places.append((index, place, text[place]))
            dice = counter.below(10)
            if dice < 8:
                masked[index][place] = MASK
            elif dice == 8:
                masked[index][place] = SPECIAL + counter.below(VOCABULARY - SPECIAL)
    return masked, places


# The model: functions of a dictionary of parameters, so that both encoders are the same code.


def linear(p, name, x):
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def norm(p, name, x, epsilon):
    return F.layer_norm(x, (WIDTH,), p[f"{name}.weight"], p[f"{name}.bias"], epsilon)


def attention(p, name, x):
    q, k, v = (linear(p, f"{name}.{part}", x).unflatten(-1, (HEADS, -1)).transpose(0, 1)
               for part in ("query", "key", "value"))  # [heads, T, width of a head]
    mixed = F.scaled_dot_product_attention(q, k, v)
    return linear(p, f"{name}.output", mixed.transpose(0, 1).flatten(1))


def layer(p, name, x, epsilon, pre):
    def feed_forward(y):
        return linear(p, f"{name}.output", F.gelu(linear(p, f"{name}.intermediate", y)))

    attention_norm, output_norm = f"{name}.attention.norm", f"{name}.output.norm"
    if pre:
        x = x + attention(p, f"{name}.attention", norm(p, attention_norm, x, epsilon))
        return x + feed_forward(norm(p, output_norm, x, epsilon))
    x = norm(p, attention_norm, x + attention(p, f"{name}.attention", x), epsilon)
    return norm(p, output_norm, x + feed_forward(x), epsilon)


def frame_vector(p, frame):
    dtype = p["vision.class"].dtype
    pixels = (frame.to(dtype) / 255 - torch.tensor(PIXEL_MEAN, dtype=dtype)) \
        / torch.tensor(PIXEL_DEVIATION, dtype=dtype)
    patches = pixels.unfold(0, PATCH, PATCH).unfold(1, PATCH, PATCH)  # [y, x, channel, row, column]
    patches = patches.permute(0, 1, 3, 4, 2).reshape(-1, 3 * PATCH * PATCH)
    x = torch.cat([p["vision.class"], linear(p, "vision.patch", patches)])
    x = norm(p, "vision.inputNorm", x + p["vision.position.weight"], 1e-5)
    for index in range(VISION_LAYERS):
        x = layer(p, f"vision.{index}", x, 1e-5, pre=True)
    return linear(p, "vision.projection", norm(p, "vision.outputNorm", x[0], 1e-5))


def encode(p, tokens, frames):
    """Rows of one view: a text, a clip, or a text and its clip."""
    parts, kind = [], p["embeddings.type.weight"]
    if tokens:
        rows = F.embedding(torch.tensor(tokens), p["embeddings.word.weight"])
        rows = rows + p["embeddings.textPosition.weight"][:len(tokens)] + kind[0]
        parts.append(norm(p, "embeddings.textNorm", rows, 1e-12))
    if frames is not None:
        rows = torch.stack([frame_vector(p, frame) for frame in frames])
        rows = rows + p["embeddings.framePosition.weight"][:len(frames)] + kind[1]
        parts.append(norm(p, "embeddings.frameNorm", rows, 1e-12))
    x = torch.cat(parts)
    for index in range(LAYERS):
        x = layer(p, f"encoder.{index}", x, 1e-12, pre=False)
    return x


def text_vector(p, tokens):
    return F.normalize(linear(p, "textProjection", encode(p, tokens, None).mean(0)), dim=0)


def video_vector(p, frames):
    return F.normalize(linear(p, "videoProjection", encode(p, [], frames).mean(0)), dim=0)


def language_logits(p, rows):
    dense = norm(p, "language.norm", F.gelu(linear(p, "language.dense", rows)), 1e-12)
    return F.linear(dense, p["embeddings.word.weight"], p["language.bias"])


# Training.


class Run:
    def __init__(self, start, clips, dtype):
        self.clips = clips
        self.query = {name: v.to(dtype, copy=True).requires_grad_() for name, v in start.items()}
        self.key = copy.deepcopy({name: v.detach() for name, v in self.query.items()})
        # Matrices decay; the class token has two dimensions, too, and is none.
        decays = {name: v.dim() == 2 and name != "vision.class" for name, v in start.items()}
        self.optimizer = torch.optim.AdamW(
            [{"params": [v for name, v in self.query.items() if decays[name] == flag],
              "weight_decay": S["weightDecay"] if flag else 0.0} for flag in (True, False)],
            betas=(S["beta1"], S["beta2"]), eps=S["epsilon"])
        self.text_bank, self.video_bank = [], []  # (clip, key), oldest first

    def contrast(self, queries, keys, clip_indices, bank):
        """InfoNCE of each query against the lane's keys and the bank; keys of its own clip
        are left out, but for its own current key."""
        losses = []
        others = list(zip(clip_indices, keys))
        for index, (clip, query) in enumerate(zip(clip_indices, queries)):
            negatives = [key for position, (other, key) in enumerate(others + bank)
                         if other != clip and position != index]
            scores = torch.stack([keys[index], *negatives]) @ query / S["temperature"]
            losses.append(F.cross_entropy(scores, torch.tensor(0)))
        return losses

    def lane(self, step, lane, rows, record):
        """-> the loss of each chosen token; of each pair, in both directions."""
        texts = [clip for clip in rows if self.clips[clip]["tokens"]]
        videos = [clip for clip in rows if self.clips[clip]["frames"] is not None]
        pairs = [clip for clip in texts if clip in videos]
        tokens, frames = ([clip[part] for clip in self.clips] for part in ("tokens", "frames"))
        with torch.no_grad():
            text_keys = {clip: text_vector(self.key, tokens[clip]) for clip in texts}
            video_keys = {clip: video_vector(self.key, frames[clip]) for clip in videos}
        masked, places = mask_tokens([tokens[clip] for clip in texts], Counter(step, lane))
        hidden = [encode(self.query, text, frames[clip]) for text, clip in zip(masked, texts)]
        chosen = torch.stack([hidden[text][place] for text, place, _ in places])
        targets = torch.tensor([token for _, _, token in places])
        language = F.cross_entropy(
            language_logits(self.query, chosen), targets, reduction="none")
        alignment = self.contrast(
            [text_vector(self.query, tokens[clip]) for clip in pairs],
            [video_keys[clip] for clip in pairs], pairs, self.video_bank)
        alignment += self.contrast(
            [video_vector(self.query, frames[clip]) for clip in pairs],
            [text_keys[clip] for clip in pairs], pairs, self.text_bank)
        record["maskedTexts"].append(masked)
        record["textKeys"] += text_keys.items()
        record["videoKeys"] += video_keys.items()
        return list(language), alignment

    def rate(self, step):
        """Linear to the peak, then half a cosine over the rest of the steps."""
        warm_up, count = S["warmUpSteps"], S["stepCount"]
        if step <= warm_up:
            return S["learningRate"] * step / warm_up
        done = (step - 1 - warm_up) / (count - warm_up)
        return S["learningRate"] * (1 + math.cos(math.pi * done)) / 2

    def step(self, number, lanes):
        record = {"maskedTexts": [], "textKeys": [], "videoKeys": []}
        planned = sum(lane["planned"] for lane in lanes)
        language, alignment, loss = [], [], 0.0
        for index, lane in enumerate(lanes):
            of_tokens, of_pairs = self.lane(number, index, lane["clips"], record)
            # Token means of lanes, weighed by their planned rows; pairs as one large batch.
            share = lane["planned"] / planned
            loss += S["maskedLanguageWeight"] * share * sum(of_tokens) / len(of_tokens)
            loss += S["alignmentWeight"] / planned * sum(of_pairs) / 2
            language += of_tokens
            alignment += of_pairs
        self.optimizer.zero_grad()
        loss.backward()
        gradients = [v.grad for v in self.query.values()]
        gradient_norm = torch.nn.utils.get_total_norm(gradients)
        # By hand, for torch's clip_grad_norm_ divides by a norm that is 1e-6 larger.
        if gradient_norm > S["gradientNormMax"]:
            for gradient in gradients:
                gradient *= S["gradientNormMax"] / gradient_norm
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(number)
        self.optimizer.step()
        with torch.no_grad():
            for name, value in self.key.items():
                value.lerp_(self.query[name], 1 - S["encoderMomentum"])
        for bank, keys in ((self.text_bank, record["textKeys"]),
                           (self.video_bank, record["videoKeys"])):
            bank += keys
            del bank[:-S["bankCapacity"]]
        return {"maskedTexts": record["maskedTexts"],
                "maskedLanguageLoss": torch.stack(language).mean().item(),
                "alignmentLoss": torch.stack(alignment).mean().item(),
                "gradientNorm": gradient_norm.item(), "learningRate": self.rate(number)}


def numbers(tensor, digits):
    return [float(f"{v:.{digits}g}") for v in tensor.detach().reshape(-1).tolist()]


def bank_state(bank):
    return {"clipIndices": [clip for clip, _ in bank],
            "keys": numbers(torch.stack([key for _, key in bank]), 9)}


def deviation(left, right):
    """The largest difference by which the runs' values differ, over the largest value."""
    return max(((a.double() - b.double()).abs().max() / a.abs().max()).item()
               for a, b in zip(left, right))


def main():
    torch.manual_seed(20261126)
    start, clips, lanes = make_parameters(), make_clips(), make_lanes()
    run, single = Run(start, clips, torch.float64), Run(start, clips, torch.float32)
    steps, single_steps = ([r.step(number, planned) for number, planned in enumerate(lanes, 1)]
                           for r in (run, single))
    told = ("maskedLanguageLoss", "alignmentLoss", "gradientNorm")
    noise = {name: max(abs(a[name] - b[name]) / a[name] for a, b in zip(steps, single_steps))
             for name in told}
    # Key biases have no gradient but rounding noise.
    names = [name for name in start if not name.endswith("attention.key.bias")]
    noise["parameters"] = deviation([run.query[name] for name in names],
                                    [single.query[name] for name in names])
    result = {
        "generator": f"ten_steps.py, Python {platform.python_version()}, torch "
                     f"{torch.__version__}, numpy {np.__version__}",
        "float32": noise, "settings": SETTINGS,
        "start": {name: numbers(v, 9) for name, v in start.items()},
        "clips": [{"tokens": clip["tokens"],
                   "frames": [] if clip["frames"] is None else clip["frames"].flatten().tolist()}
                  for clip in clips],
        "steps": [{**told_lanes, "lanes": planned}
                  for told_lanes, planned in zip(steps, lanes)],
        "parameters": {name: numbers(v, 9) for name, v in run.query.items()},
        "keyParameters": {name: numbers(v, 9) for name, v in run.key.items()},
        "textBank": bank_state(run.text_bank), "videoBank": bank_state(run.video_bank)}
    path = pathlib.Path(__file__).parent.parent / "ten_steps.json"
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    for number, step in enumerate(steps, 1):
        print(number, *(f"{step[name]:.9f}" for name in told), f"{step['learningRate']:.5f}")
    print(noise)


if __name__ == "__main__":
    main()
