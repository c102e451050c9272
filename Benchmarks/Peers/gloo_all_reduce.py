# SPDX-License-Identifier: Apache-2.0
"""A peer of `benchmarks all-reduce`: gloo's all-reduce of f32 numbers between processes.

Needs torch; measured with torch 2.15.0.
usage, by `benchmarks all-reduce`: gloo_all_reduce.py RANK RANKS HOST INTERFACE
Rank 0 says where the store is in which the ranks find each other, all hear it with the first size.
For each line with a size all say the seconds of their rounds.
"""
import os
import sys
import time

import torch
import torch.distributed as dist

WARM_UP, ROUNDS = 3, 10


def say(line):
    print(line, flush=True)


def join(rank, ranks, host, interface):
    # The interface of the host's name, gloo's default, may be none that the ranks share.
    os.environ["GLOO_SOCKET_IFNAME"] = interface
    store = None
    if rank == 0:
        store = dist.TCPStore(host, 0, ranks, is_master=True, wait_for_workers=False)
        say(f"at {host}:{store.port}")
    else:
        say("at -")
    store_host, store_port = sys.stdin.readline().split()[0].rsplit(":", 1)
    if store is None:
        store = dist.TCPStore(store_host, int(store_port), ranks)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)


def round_seconds(tensor):
    seconds = []
    for _ in range(WARM_UP + ROUNDS):
        tensor.fill_(1)
        dist.barrier()
        start = time.perf_counter()
        dist.all_reduce(tensor)
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def main():
    rank, ranks = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    has_joined = False
    # readline, for an iterator over the lines would read ahead of `join`.
    while line := sys.stdin.readline():
        if not has_joined:
            join(rank, ranks, sys.argv[3], sys.argv[4])
            has_joined = True
        seconds = round_seconds(torch.ones(int(line) // 4))
        say("seconds " + " ".join(map(str, seconds)))


main()
