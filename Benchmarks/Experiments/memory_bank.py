# SPDX-License-Identifier: Apache-2.0
"""Runs every configuration of a folder with several seeds; measures retrieval on held-out clips.

Run:  python3 memory_bank.py --accord .build/release/accord --configs configs/experiments/bank \
          --out build/experiments/bank --seeds 3 [--only microbatch-04-none ...]
Standard library only. What is finished is skipped, and what was interrupted goes on, so the command
may be ended and repeated. Each run leaves OUT/NAME-seed-N.json: its configuration's name, the seed,
what `accord evaluate --json` said, the losses of the last step, and the seconds it took.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time


def run(accord, config, out, seed, workers):
    name = f"{config.stem}-seed-{seed}"
    result = out / f"{name}.json"
    if result.exists():
        return
    text, count = re.subn(r"(?m)^seed: \d+$", f"seed: {seed}", config.read_text())
    if count != 1:
        sys.exit(f"{config} has no line 'seed: N'")
    own = out / f"{name}.yaml"
    own.write_text(text)
    folder = out / name
    # A run goes on where it was interrupted; its time then counts the rest alone.
    resumed = folder.exists()
    start = time.monotonic()
    subprocess.run(
        [accord, "launch", "--config", own, "--workers", str(workers), "--run", folder],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    report = subprocess.run([accord, "evaluate", "--run", folder, "--json"], check=True,
                            stdout=subprocess.PIPE, text=True)
    status = subprocess.run([accord, "status", "--run", folder, "--json"], check=True,
                            stdout=subprocess.PIPE, text=True)
    found = {"name": config.stem, "seed": seed, "seconds": None if resumed else seconds,
             "evaluation": json.loads(report.stdout), "status": json.loads(status.stdout)}
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    partial.rename(result)
    shutil.rmtree(folder)
    recall = [found["evaluation"][way]["recallAt1"] for way in ("textToVideo", "videoToText")]
    print(f"{name}: R@1 {100 * sum(recall) / 2:.1f} %, {seconds:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--accord", required=True)
    parser.add_argument("--configs", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names of configurations, without .yaml")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    configs = sorted(options.configs.glob("*.yaml"))
    if options.only:
        known = {config.stem for config in configs}
        if unknown := set(options.only) - known:
            sys.exit(f"no such configuration: {', '.join(sorted(unknown))}")
        configs = [config for config in configs if config.stem in options.only]
    for seed in range(1, options.seeds + 1):
        for config in configs:
            run(options.accord, config, options.out, seed, options.workers)


if __name__ == "__main__":
    main()
