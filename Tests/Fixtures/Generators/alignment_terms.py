# SPDX-License-Identifier: Apache-2.0
"""Writes ../alignment_terms.json: the alignment and matching losses of one lane, in float64.

Run:  python3 alignment_terms.py      (torch 2.13.0, numpy 2.4.6)
alignment_terms.json says in its first field which versions wrote it. Written against torch from
the papers (InfoNCE, MoCo, ALBEF, TCL, DCL, "everything at once") and docs/, not from our code. The
model and the keyed counters are those of ten_steps.py: every view runs by itself, autograd
differentiates one sum. The query encoder and the key encoder have parameters of their own, or
nobody could tell them apart.

Views are sets of parts. A text field that a view does not show is empty, its separator stays.
"""

import json
import math
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

import ten_steps
from ten_steps import FRAMES, PROJECTION, SIZE, SPECIAL, VOCABULARY, WIDTH, Counter, encode, linear

SEED, STEP, LANE = 20261126, 3, 0
TEMPERATURE, BANK = 0.2, 12
SEPARATOR, START = 3, 2
FIELDS = ("title", "ocr", "asr")
TEXT, VIDEO, JOINT = "text", "video", "videoText"
SIX = [(TEXT, VIDEO, 1), (VIDEO, JOINT, 1), (TEXT, JOINT, 1)]
TCL = [(TEXT, VIDEO, 2), (TEXT, TEXT, 1), (VIDEO, VIDEO, 1), (TEXT, "tokens", 1),
       (VIDEO, "frames", 1)]
EVERYTHING = [("title", VIDEO, 1), ("title", "ocr+asr", 0.1), (VIDEO, "ocr+asr", 0.1),
              ("title", "ocr+asr+video", 0.1), (VIDEO, TEXT, 0.1), ("ocr+asr", "title+video", 0.1)]
PAIR = [(TEXT, VIDEO, 1)]
CASES = {
    "six-task": {"terms": SIX, "learned": 0.3},
    "six-task, negatives alone": {"terms": SIX, "negatives": True},
    "six-task, distillation": {"terms": SIX, "distillation": 0.4, "learned": -0.2},
    "tcl": {"terms": TCL},
    "tcl, distillation": {"terms": TCL, "distillation": 0.4},
    "everything": {"terms": EVERYTHING},
    "matching, hard": {"terms": PAIR, "matching": "hard"},
    "matching, random": {"terms": PAIR, "matching": "random"},
}


def parts(view):
    names = {TEXT: set(FIELDS), VIDEO: {VIDEO}, JOINT: {*FIELDS, VIDEO}}
    return set().union(*(names.get(part, {part}) for part in view.split("+")))


def make_clips():
    """Fields of each text; the last three lack frames, the text, and all but a title."""
    shapes = [(2, 1, 1), (1, 2, 0), (1, 1, 2), (2, 0, 1), (1, 1, 1), (0, 0, 0), (3, 0, 0)]
    clips = []
    for index, shape in enumerate(shapes):
        fields = [torch.randint(SPECIAL, VOCABULARY, (count,)).tolist() for count in shape]
        frames = torch.randint(0, 256, (1 + index % FRAMES, SIZE, SIZE, 3))
        clips.append({"fields": fields, "frames": None if index == 4 else frames})
    return clips


def tokens(clip, view):
    shown = [field if name in parts(view) else []
             for name, field in zip(FIELDS, clip["fields"])]
    if not any(shown):
        return []
    return [START] + [token for field in shown for token in [*field, SEPARATOR]]


def shows(clip, view):
    has_frames = VIDEO not in parts(view) or clip["frames"] is not None
    return has_frames and (not parts(view) & set(FIELDS) or bool(tokens(clip, view)))


def projection(view):
    if VIDEO not in parts(view):
        return "textProjection"
    return "jointProjection" if len(parts(view)) > 1 else "videoProjection"


def rows_of(p, clip, view):
    frames = clip["frames"] if VIDEO in parts(view) else None
    return encode(p, tokens(clip, view), frames)


def vector(p, clip, view):
    return F.normalize(linear(p, projection(view), rows_of(p, clip, view).mean(0)), dim=0)


def local_vectors(p, clip, view):
    rows = rows_of(p, clip, view)
    if view == TEXT:
        rows = rows[[i for i, token in enumerate(tokens(clip, view)) if token >= SPECIAL]]
    return F.normalize(linear(p, projection(view), rows), dim=1)


def cross_entropy(query, keys, positive, keep, case, temperature, teacher=None):
    """One query against keys [M, D]; `keep` marks the columns that count, the positive among
    them."""
    scores = keys @ query / temperature
    share = case.get("distillation", 0) if teacher is not None else 0
    if case.get("negatives"):
        keep = keep.clone()
        keep[positive] = False
        return torch.logsumexp(scores[keep], 0) - scores[positive]
    log_p = torch.log_softmax(scores.masked_fill(~keep, -math.inf), 0)
    target = F.one_hot(torch.tensor(positive), len(keys)).double()
    if share:
        soft = keys @ teacher / temperature.detach()
        soft = torch.softmax(soft.masked_fill(~keep, -math.inf), 0)
        target = share * soft + (1 - share) * target
    return -(target[keep] * log_p[keep]).sum()


def direction(lane, query_view, key_view, case, temperature):
    """-> the loss of each row that has both views."""
    query, key, clips, banks = lane
    if key_view in ("tokens", "frames"):
        chosen = [i for i, clip in enumerate(clips) if shows(clip, query_view)]
        local = [local_vectors(key, clips[i], query_view).detach() for i in chosen]
        keys = torch.cat(local)
        owner = torch.tensor([i for i, rows in zip(chosen, local) for _ in rows])
        losses = []
        for i in chosen:
            q = vector(query, clips[i], query_view)
            own = [column for column in range(len(keys)) if owner[column] == i]
            of_parts = []
            for column in own:
                keep = owner != i
                keep[column] = True
                of_parts.append(cross_entropy(q, keys, column, keep, case, temperature))
            losses.append(sum(of_parts) / len(of_parts))
        return losses
    chosen = [i for i, clip in enumerate(clips)
              if shows(clip, query_view) and shows(clip, key_view)]
    keys = [vector(key, clips[i], key_view).detach() for i in chosen]
    labels = chosen + [clip for clip, _ in banks[key_view]]
    keys = torch.stack(keys + [k for _, k in banks[key_view]])
    losses = []
    for place, i in enumerate(chosen):
        keep = torch.tensor([label != i for label in labels])
        keep[place] = True
        teacher = vector(key, clips[i], query_view).detach() if query_view != key_view else None
        losses.append(cross_entropy(vector(query, clips[i], query_view), keys, place, keep, case,
                                    temperature, teacher))
    return losses


class MatchingCounter(Counter):
    TOKEN_MASKING = 9


def matching_pairs(lane, kind):
    """-> (text, clip, target) by row."""
    query, _, clips, _ = lane
    rows = [i for i, clip in enumerate(clips) if shows(clip, JOINT)]
    counter = MatchingCounter(STEP, LANE)
    texts = torch.stack([vector(query, clips[i], TEXT) for i in rows]).detach()
    videos = torch.stack([vector(query, clips[i], VIDEO) for i in rows]).detach()
    similarities = texts @ videos.T / TEMPERATURE

    def draw(scores):
        weights, number, total = torch.softmax(scores, 0), counter.unit(), 0.0
        for index, weight in enumerate(weights.tolist()):
            total += weight
            if number < total:
                return index
        return len(weights) - 1

    pairs = []
    for place, row in enumerate(rows):
        others = [other for other in range(len(rows)) if other != place]
        if kind == "hard":
            clip = others[draw(similarities[place, others])]
            text = others[draw(similarities[others, place])]
            pairs += [(row, row, 1), (row, rows[clip], 0), (rows[text], row, 0)]
        elif counter.unit() < 0.5:
            pairs.append((row, rows[others[counter.below(len(others))]], 0))
        else:
            pairs.append((row, row, 1))
    return pairs


def matching_loss(lane, pairs):
    query, _, clips, _ = lane
    pooled = torch.stack([
        encode(query, tokens(clips[text], TEXT), clips[clip]["frames"]).mean(0)
        for text, clip, _ in pairs])
    targets = torch.tensor([target for _, _, target in pairs])
    return F.cross_entropy(linear(query, "matching", pooled), targets, reduction="none")


def run(case, start, key, clips, banks):
    query = {name: v.clone().requires_grad_() for name, v in start.items()}
    logarithm = torch.tensor([case.get("learned", 0.0)], dtype=torch.float64, requires_grad=True)
    temperature = TEMPERATURE * torch.exp(logarithm[0])
    lane = (query, key, clips, banks)
    whole = sum(weight for _, _, weight in case["terms"])
    loss, told = 0.0, []
    for first, second, weight in case["terms"]:
        pairs = [(first, second)]
        if second not in (first, "tokens", "frames"):
            pairs.append((second, first))
        for pair in pairs:
            losses = direction(lane, *pair, case, temperature)
            loss += weight / whole / len(pairs) * sum(losses) / len(clips)
            told.append({"sum": sum(losses).item(), "count": len(losses)})
    result = {"terms": ", ".join(f"{a}-{b}*{w}" for a, b, w in case["terms"]), "directions": told,
              "learned": case.get("learned"), "distillation": case.get("distillation", 0),
              "negatives": case.get("negatives", False), "matching": case.get("matching")}
    if "matching" in case:
        pairs = matching_pairs(lane, case["matching"])
        losses = matching_loss(lane, pairs)
        loss += losses.sum() / len(clips) / (3 if case["matching"] == "hard" else 1)
        result["matchingLoss"], result["matchingCount"] = losses.sum().item(), len(pairs)
    loss.backward()
    result["gradient"] = {
        name: ten_steps.numbers(v.grad, 9) for name, v in query.items()
        if v.grad is not None and v.grad.abs().max() > 0}
    if case.get("learned") is not None:
        result["gradient"]["logTemperature"] = [logarithm.grad.item()]
    return result


def main():
    torch.manual_seed(SEED)
    start = ten_steps.make_parameters()
    for name, shape in {"jointProjection.weight": (PROJECTION, WIDTH),
                        "jointProjection.bias": (PROJECTION,), "matching.weight": (2, WIDTH),
                        "matching.bias": (2,)}.items():
        start[name] = 0.4 * torch.randn(shape)
    key = {name: v + 0.1 * torch.randn(v.shape) for name, v in start.items()}
    start, key = ({name: v.float().double() for name, v in p.items()} for p in (start, key))
    clips = make_clips()
    views = {view for case in CASES.values() for a, b, _ in case["terms"] for view in (a, b)}
    banks = {}
    for view in sorted(views - {"tokens", "frames"}):
        keys = F.normalize(torch.randn(BANK, PROJECTION), dim=1).float().double()
        # Some are of the lane's own clips.
        banks[view] = list(zip([100, 1, 101, 2, 102, 103, 0, 104, 105, 106, 107, 108], keys))
    result = {
        "generator": f"alignment_terms.py, Python {platform.python_version()}, torch "
                     f"{torch.__version__}, numpy {np.__version__}",
        "temperature": TEMPERATURE, "step": STEP, "seed": SEED,
        "start": {name: ten_steps.numbers(v, 9) for name, v in start.items()},
        "key": {name: ten_steps.numbers(v, 9) for name, v in key.items()},
        "clips": [{"tokens": tokens(clip, TEXT),
                   "frames": [] if clip["frames"] is None else clip["frames"].flatten().tolist()}
                  for clip in clips],
        "bankClips": [clip for clip, _ in banks[TEXT]],
        "banks": {view: ten_steps.numbers(torch.stack([k for _, k in keys]), 9)
                  for view, keys in banks.items()},
        "cases": {name: run(case, start, key, clips, banks) for name, case in CASES.items()}}
    path = pathlib.Path(__file__).parent.parent / "alignment_terms.json"
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n", encoding="utf-8")
    for name, case in result["cases"].items():
        print(name, [round(d["sum"], 6) for d in case["directions"]], case.get("matchingLoss"))


if __name__ == "__main__":
    main()
