# SPDX-License-Identifier: Apache-2.0
"""Golden forward pass of a tiny SingleStreamModel, in double precision.

Written against numpy 2.4.6 from the papers (BERT, ViT, CLIP's pixel statistics), not from our code.
    python3 single_stream_model.py > ../single_stream_model.json
"""
import json
import math

import numpy as np

generator = np.random.default_rng(20220705)
WIDTH, HEADS, INNER, LAYERS, VISION_LAYERS, PATCH, SIZE = 8, 2, 12, 2, 1, 4, 8
FRAMES, TOKENS, VOCABULARY, PROJECTION = 3, 7, 11, 5
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711])
parameters = {}


def parameter(name, *shape):
    centre = 1.0 if name.endswith("orm.weight") else 0.0
    values = (centre + 0.4 * generator.standard_normal(shape)).astype(np.float32)
    parameters[name] = values
    return values.astype(np.float64)


class Linear:
    def __init__(self, name, inputs, outputs):
        self.weight = parameter(f"{name}.weight", outputs, inputs)
        self.bias = parameter(f"{name}.bias", outputs)

    def __call__(self, x):
        return x @ self.weight.T + self.bias


class Norm:
    def __init__(self, name, epsilon):
        self.scale = parameter(f"{name}.weight", WIDTH)
        self.bias = parameter(f"{name}.bias", WIDTH)
        self.epsilon = epsilon

    def __call__(self, x):
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred**2).mean(-1, keepdims=True)
        return centred / np.sqrt(variance + self.epsilon) * self.scale + self.bias


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


class Attention:
    def __init__(self, name):
        self.query, self.key, self.value, self.output = (
            Linear(f"{name}.{part}", WIDTH, WIDTH) for part in ("query", "key", "value", "output"))

    def __call__(self, x):
        heads = []
        for columns in np.split(np.arange(WIDTH), HEADS):
            q, k, v = (f(x)[:, columns] for f in (self.query, self.key, self.value))
            scores = np.exp(q @ k.T / math.sqrt(WIDTH // HEADS))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v)
        return self.output(np.concatenate(heads, -1))


class Layer:
    def __init__(self, name, epsilon, pre):
        self.attention = Attention(f"{name}.attention")
        self.attention_norm = Norm(f"{name}.attention.norm", epsilon)
        self.inner = Linear(f"{name}.intermediate", WIDTH, INNER)
        self.outer = Linear(f"{name}.output", INNER, WIDTH)
        self.output_norm = Norm(f"{name}.output.norm", epsilon)
        self.pre = pre

    def __call__(self, x):
        forward = lambda y: self.outer(gelu(self.inner(y)))
        if self.pre:
            x = x + self.attention(self.attention_norm(x))
            return x + forward(self.output_norm(x))
        x = self.attention_norm(x + self.attention(x))
        return self.output_norm(x + forward(x))


word = parameter("embeddings.word.weight", VOCABULARY, WIDTH)
text_position = parameter("embeddings.textPosition.weight", TOKENS, WIDTH)
frame_position = parameter("embeddings.framePosition.weight", FRAMES, WIDTH)
kind = parameter("embeddings.type.weight", 2, WIDTH)
text_norm = Norm("embeddings.textNorm", 1e-12)
frame_norm = Norm("embeddings.frameNorm", 1e-12)
patch = Linear("vision.patch", 3 * PATCH * PATCH, WIDTH)
class_token = parameter("vision.class", 1, WIDTH)
vision_position = parameter("vision.position.weight", (SIZE // PATCH) ** 2 + 1, WIDTH)
input_norm = Norm("vision.inputNorm", 1e-5)
vision_layers = [Layer(f"vision.{i}", 1e-5, pre=True) for i in range(VISION_LAYERS)]
vision_norm = Norm("vision.outputNorm", 1e-5)
vision_projection = Linear("vision.projection", WIDTH, WIDTH)
layers = [Layer(f"encoder.{i}", 1e-12, pre=False) for i in range(LAYERS)]
text_projection = Linear("textProjection", WIDTH, PROJECTION)
video_projection = Linear("videoProjection", WIDTH, PROJECTION)
language_dense = Linear("language.dense", WIDTH, WIDTH)
language_norm = Norm("language.norm", 1e-12)
language_bias = parameter("language.bias", VOCABULARY)


def frame_vector(frame):
    pixels = (frame / 255 - MEAN) / DEVIATION
    patches = [pixels[y:y + PATCH, x:x + PATCH].reshape(-1)
               for y in range(0, SIZE, PATCH) for x in range(0, SIZE, PATCH)]
    x = np.concatenate([class_token, patch(np.stack(patches))]) + vision_position
    x = input_norm(x)
    for layer in vision_layers:
        x = layer(x)
    return vision_projection(vision_norm(x[0]))


def embed_text(tokens):
    return text_norm(word[tokens] + text_position[: len(tokens)] + kind[0])


def embed_clip(frames):
    vectors = np.stack([frame_vector(frame) for frame in frames])
    return frame_norm(vectors + frame_position[: len(frames)] + kind[1])


def unit(x):
    return x / np.linalg.norm(x)


texts = [[2, 7, 9, 3], [2, 10, 3, 5, 5, 6, 3], [2, 8, 3]]
clips = [generator.integers(0, 256, (count, SIZE, SIZE, 3)) for count in (3, 1)]
views = [[0, 0], [1, None], [None, 1], [2, 1], [0, None], [None, 0]]
hidden = []
for text, clip in views:
    parts = []
    if text is not None:
        parts.append(embed_text(texts[text]))
    if clip is not None:
        parts.append(embed_clip(clips[clip]))
    x = np.concatenate(parts)
    for layer in layers:
        x = layer(x)
    hidden.append(x)
pooled = [x.mean(0) for x in hidden]
flat = lambda rows: [float(f"{v:.9g}") for row in rows for v in np.asarray(row).reshape(-1)]
print(json.dumps({
    "parameters": {n: [float(f"{v:.9g}") for v in p.reshape(-1)] for n, p in parameters.items()},
    "texts": texts,
    "clips": [c.reshape(-1).tolist() for c in clips],
    "views": views,
    "hidden": flat(hidden),
    "pooled": flat(pooled),
    "textVectors": flat([unit(text_projection(pooled[i])) for i in (1, 4)]),
    "videoVectors": flat([unit(video_projection(pooled[i])) for i in (2, 5)]),
    # At every place of the first view.
    "logits": flat([language_norm(gelu(language_dense(hidden[0]))) @ word.T + language_bias]),
}))
