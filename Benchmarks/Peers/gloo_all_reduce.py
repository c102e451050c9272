# SPDX-License-Identifier: Apache-2.0
"""The peer of `benchmarks all-reduce`: gloo's all-reduce of f32 numbers between processes.

Needs torch; measured with torch 2.15.0.
usage: torchrun --nproc_per_node 2 gloo_all_reduce.py [bytes ...]
"""
import sys
import time

import torch
import torch.distributed as dist

SIZES = [1 << 10, 4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 100_000_000]


def median_seconds(tensor, warm_up=3, rounds=10):
    seconds = []
    for number in range(warm_up + rounds):
        tensor.fill_(1)
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(tensor)
        if number >= warm_up:
            seconds.append(time.perf_counter() - start)
    return sorted(seconds)[rounds // 2]


def main():
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    ranks = dist.get_world_size()
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        seconds = median_seconds(torch.ones(size // 4))
        if dist.get_rank() == 0:
            traffic = 2 * (ranks - 1) / ranks * size
            print(
                f"gloo ranks={ranks} {size} bytes: {seconds * 1e3:.3f} ms "
                f"{traffic / seconds / 1e9:.2f} GB/s", flush=True)
    dist.destroy_process_group()


main()
