#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what failures cost a cluster of real processes on this machine.

    cluster.py kills | freezes | chaos | absent | joiner | oversubscribed | cut
               [--count N] [--seconds N]

Needs nothing but Python 3 and `.build/release/accord`; `make bench-cluster` runs all scenarios.
`cut` makes network namespaces and needs root.
What is timed is read from the ledger of the run, every two milliseconds.
"""

import argparse
import json
import mmap
import os
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POLL_SECONDS = 0.002
# Looking every two milliseconds took 4 % of a core, of which there are none to spare in a join.
JOINER_POLL_SECONDS = 0.01
HUGE_PAGE_BYTES = 2 << 20
OWN_PAGES = 2500
MAP_HUGETLB = 0x40000  # of Linux on x86-64 and arm64; the module has no name for it
SPINNING = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-c", "while True: pass"]


class Cluster:
    """A coordinator and workers as children of this process."""

    def __init__(self, options, name, **changes):
        self.options = options
        self.run = os.path.join(options.work, name)
        subprocess.run(["rm", "-rf", self.run], check=True)
        os.makedirs(self.run)
        self.configuration = os.path.join(options.work, name + ".yaml")
        with open(os.path.join(ROOT, "configs", "smoke.yaml")) as file:
            text = file.read()
        for key, value in {"directory": options.clips, **changes}.items():
            text, count = re.subn(rf"(?m)^(\s*){key}:.*$", rf"\g<1>{key}: {value}", text)
            assert count == 1, f"the configuration has no {key}"
        with open(self.configuration, "w") as file:
            file.write(text)
        self.workers = []
        self.coordinator = None
        self.connection = None

    def start(self, *words, prefix=()):
        name = f"{words[0]}-{time.monotonic_ns()}.log"
        with open(os.path.join(self.run, name), "w") as log:
            # They go with this process, however that ends.
            return subprocess.Popen(
                [*prefix, "setpriv", "--pdeathsig", "KILL", "--", self.options.accord, *words],
                stdout=log, stderr=log)

    def start_coordinator(self, workers, *words, prefix=()):
        self.coordinator = self.start(
            "coordinator", "--config", self.configuration, "--run", self.run,
            "--workers", str(workers), *words, prefix=prefix)

    def endpoint(self):
        path = os.path.join(self.run, "endpoint.json")
        while not os.path.exists(path):
            assert self.coordinator.poll() is None, "the coordinator has ended; see " + self.run
            time.sleep(0.01)
        with open(path) as file:
            return json.load(file)["control"]

    def add_worker(self, threads=1, *words, prefix=()):
        worker = self.start(
            "worker", "--coordinator", self.endpoint(), "--threads", str(threads), *words,
            prefix=prefix)
        self.workers.append(worker)
        return worker

    def newest(self):
        """Number and generation of the newest committed step."""
        if self.connection is None:
            path = os.path.join(self.run, "run.sqlite")
            self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            row = self.connection.execute(
                "SELECT number, generation FROM step ORDER BY number DESC LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            return (0, 0)
        return row or (0, 0)

    def status(self):
        while True:
            try:
                with open(os.path.join(self.run, "status.json")) as file:
                    return json.load(file)["cluster"]
            except (FileNotFoundError, ValueError):
                time.sleep(0.01)

    def wait(self, what, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"waited {seconds} s for {what}: {self.status()['waitingFor']}; see {self.run}")
            time.sleep(POLL_SECONDS)

    def wait_for_members(self, count):
        """All there, and some steps in the present generation."""
        def settled():
            status = self.status()
            # The status is half a second old at times; a process that is gone may still be in it.
            members = {member["processIdentifier"] for member in status["members"]}
            alive = {worker.pid for worker in self.workers}
            return members == alive and len(alive) == count and status["phase"] == "running"
        self.wait(f"{count} members", settled)
        first, _ = self.newest()
        self.wait("steps", lambda: self.newest()[0] >= first + 5)

    def seconds_to_next_generations_commit(self, strike, limit=60):
        _, generation = self.newest()
        start = time.monotonic()
        strike()
        self.wait("a commit without it", lambda: self.newest()[1] > generation, limit)
        return time.monotonic() - start

    def step_seconds(self, count=30):
        """The median time from commit to commit."""
        times, (last, _) = [], self.newest()
        before = None
        while len(times) < count:
            step, _ = self.newest()
            if step > last:
                now = time.monotonic()
                if before is not None and step == last + 1:
                    times.append(now - before)
                before, last = now, step
            time.sleep(0.0005)
        return statistics.median(times)

    def mean_step_seconds(self, count):
        """From one commit to another, so many steps later."""
        self.step_seconds(1)
        (first, _), start = self.newest(), time.monotonic()
        while self.newest()[0] < first + count:
            time.sleep(POLL_SECONDS)
        return (time.monotonic() - start) / (self.newest()[0] - first)

    def why(self):
        words = [self.options.accord, "why", "--run", self.run]
        return subprocess.run(words, capture_output=True, check=True, text=True).stdout

    def hash(self):
        words = [self.options.accord, "status", "--run", self.run, "--json"]
        status = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
        return status["step"], status["stateHash"]

    def verify(self):
        words = [self.options.accord, "verify", "--run", self.run]
        return subprocess.run(words, capture_output=True).returncode == 0

    def end(self):
        for process in self.workers + [self.coordinator]:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


def row(name, value, limit):
    print(f"{name:<52} {value:>12}  ({limit})", flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report_strikes(name, times, step, bound):
    row(f"{name}: strikes", len(times), "")
    row(f"{name}: median to the survivors' commit", f"{statistics.median(times):.3f} s", "")
    row(f"{name}: p99", f"{percentile(times, 0.99):.3f} s",
        f"at most {bound} s and a step of {step * 1000:.0f} ms")


def kills(options):
    cluster = Cluster(options, "kills", epochCount=100000)
    cluster.start_coordinator(3)
    for _ in range(3):
        cluster.add_worker()
    times, steps = [], []
    for _ in range(options.count or 50):
        cluster.wait_for_members(3)
        steps.append(cluster.step_seconds(5))
        victim = cluster.workers.pop(random.randrange(3))
        times.append(cluster.seconds_to_next_generations_commit(victim.kill))
        victim.wait()
        cluster.add_worker()
    report_strikes("SIGKILL", times, statistics.median(steps), 1)
    cluster.end()


def freezes(options):
    cluster = Cluster(options, "freezes", epochCount=100000)
    cluster.start_coordinator(3)
    for _ in range(3):
        cluster.add_worker()
    times, steps = [], []
    for _ in range(options.count or 20):
        cluster.wait_for_members(3)
        steps.append(cluster.step_seconds(5))
        victim = random.choice(cluster.workers)
        times.append(cluster.seconds_to_next_generations_commit(
            lambda: victim.send_signal(signal.SIGSTOP)))
        # It finds itself evicted and comes back as a new worker in the same process.
        _, generation = cluster.newest()
        victim.send_signal(signal.SIGCONT)
        cluster.wait("its return", lambda: cluster.newest()[1] > generation)
    report_strikes("SIGSTOP", times, statistics.median(steps), 3)
    cluster.end()


def undisturbed_hash(options, epochs):
    quiet = Cluster(options, "quiet", epochCount=epochs)
    quiet.start_coordinator(1)
    quiet.add_worker(2)
    assert quiet.coordinator.wait() == 0, "the undisturbed run failed; see " + quiet.run
    expected = quiet.hash()
    quiet.end()
    return expected


def chaos(options):
    """Random kills and freezes of workers and coordinator in one run that must not notice."""
    epochs = options.epochs
    expected = undisturbed_hash(options, epochs)

    cluster = Cluster(options, "chaos", epochCount=epochs)
    cluster.start_coordinator(3)
    for _ in range(3):
        cluster.add_worker()
    counts = dict.fromkeys(["worker killed", "worker frozen", "coordinator killed",
                            "coordinator frozen", "both killed"], 0)
    newest, went_back, total = 0, 0, options.count or 100
    thaws = []
    while sum(counts.values()) < total:
        kind = random.choices(list(counts), weights=[40, 25, 15, 10, 10])[0]
        cluster.wait("a step", lambda: cluster.newest()[0] > newest)
        pause = time.monotonic() + random.uniform(0.05, 1.5)
        while time.monotonic() < pause:
            step, _ = cluster.newest()
            went_back += step < newest
            newest = max(newest, step)
            time.sleep(POLL_SECONDS)
        if cluster.coordinator.poll() is not None:
            raise RuntimeError(f"the run was over after {sum(counts.values())} faults: --epochs")
        counts[kind] += 1
        alive = [worker for worker in cluster.workers if worker.poll() is None]
        if kind in ("coordinator killed", "both killed"):
            cluster.coordinator.kill()
            cluster.coordinator.wait()
        if kind in ("worker killed", "both killed") and alive:
            victim = random.choice(alive)
            victim.kill()
            victim.wait()
        if kind == "worker frozen" and alive:
            victim = random.choice(alive)
            victim.send_signal(signal.SIGSTOP)
            thaws.append((time.monotonic() + random.uniform(0.2, 5), victim))
        if kind == "coordinator frozen":
            cluster.coordinator.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0.2, 3))
            cluster.coordinator.send_signal(signal.SIGCONT)
        if kind in ("coordinator killed", "both killed"):
            time.sleep(random.uniform(0, 2))
            cluster.start_coordinator(1)
        for _, frozen in [entry for entry in thaws if entry[0] <= time.monotonic()]:
            frozen.send_signal(signal.SIGCONT)
        thaws = [entry for entry in thaws if entry[0] > time.monotonic()]
        while sum(worker.poll() is None for worker in cluster.workers) < 3:
            cluster.add_worker()
    for _, frozen in thaws:
        frozen.send_signal(signal.SIGCONT)
    code = cluster.coordinator.wait(600)
    for kind, count in counts.items():
        row(f"chaos: {kind}", count, "")
    row("chaos: committed step went back", went_back, "never")
    row("chaos: exit code of the coordinator", code, "0")
    row("chaos: same hash as undisturbed", cluster.hash() == expected, f"step {expected[0]}")
    row("chaos: accord verify", cluster.verify(), "every clip once per epoch")
    cluster.end()


def absent(options):
    cluster = Cluster(options, "absent", epochCount=100000)
    cluster.start_coordinator(3)
    for _ in range(3):
        cluster.add_worker()
    cluster.wait_for_members(3)
    step, generation = cluster.newest()
    pace = cluster.step_seconds()
    seconds = options.seconds or 60
    before, _ = cluster.newest()
    cluster.coordinator.kill()
    cluster.coordinator.wait()
    time.sleep(seconds)
    back = time.monotonic()
    cluster.start_coordinator(3)
    cluster.wait("the coordinator", lambda: cluster.newest()[0] > before)

    def has_caught_up():
        status = cluster.status()
        newest = max((member["appliedStep"] for member in status["members"]), default=0)
        return newest > 0 and status["committedStep"] + 64 >= newest

    cluster.wait("its ledger", has_caught_up)
    caught_up = time.monotonic() - back
    checkpoint = cluster.newest()[0]
    cluster.wait("a checkpoint", lambda: cluster.status()["checkpointStep"] > checkpoint)
    status = cluster.status()
    after, now_generation = cluster.newest()
    row("coordinator absent", f"{seconds} s", "")
    row("steps since it died", after - before,
        f"{(seconds + time.monotonic() - back) / pace:.0f} at the pace before")
    row("its ledger had caught up", f"{caught_up:.1f} s after its start", "")
    row("members", len(status["members"]), "3 of 3")
    row("evictions", status["evictionCount"], "0")
    row("new generations", now_generation - generation, "0")
    cluster.end()


def own_memory():
    """Lets the processes take large memory from the system's pool of huge pages. A virtual machine
    may leave what is free to its host, and the next use of it then costs up to 4 ms per MiB, which
    no machine of one's own has to pay; what lies in the pool is not given away, once it has been
    written to."""
    with open("/proc/meminfo") as file:
        count = dict(re.findall(r"HugePages_(\w+):\s+(\d+)", file.read()))
    free = int(count["Free"]) - int(count["Rsvd"])
    if free < OWN_PAGES:
        sys.exit(f"--own-memory needs {OWN_PAGES} free huge pages and finds {free}; "
                 f"run `sysctl vm.nr_hugepages={OWN_PAGES}` before, and with 0 afterwards")
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB
    with mmap.mmap(-1, free * HUGE_PAGE_BYTES, flags=flags) as pool:
        for offset in range(0, len(pool), HUGE_PAGE_BYTES):
            pool[offset] = 1
    os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=2"


def beside_a_spinning_process(cluster):
    """The mean step of a worker beside a process that needs a core and nothing else, over that of
    the worker alone, in turn: what of a joiner's cost comes from there being two processes."""
    alone, beside = [], []
    for _ in range(3):
        alone.append(cluster.mean_step_seconds(20))
        spinning = subprocess.Popen(SPINNING)
        beside.append(cluster.mean_step_seconds(20))
        spinning.kill()
        spinning.wait()
    return statistics.mean(beside) / statistics.mean(alone)


def joiner(options):
    """A state of 200 MB: 12.5 million parameters with two moments and a key encoder."""
    cluster = Cluster(
        options, "joiner", epochCount=100000, width=512, layerCount=4, headCount=8,
        feedForwardWidth=2048, count=2, microbatchSize=1, everySteps=1000000,
        stateHashEverySteps=20)
    cluster.start_coordinator(1)
    cluster.add_worker(1)
    cluster.wait_for_members(1)
    paces, means, longest, times = [], [], [], []
    for _ in range(options.count or 10):
        # A mean, too: steps with a state hash are among both.
        paces.append(cluster.mean_step_seconds(20))
        _, generation = cluster.newest()
        start = time.monotonic()
        joining = cluster.add_worker(1)
        steps, before, (last, _) = [], None, cluster.newest()
        while True:
            step, present = cluster.newest()
            if step > last:
                now = time.monotonic()
                if before is not None:
                    steps.append((now - before) / (step - last))
                before, last = now, step
                if present > generation:
                    break
            time.sleep(JOINER_POLL_SECONDS)
        times.append(time.monotonic() - start)
        # The last one is the first with the joiner.
        means.append(statistics.mean(steps[:-1]))
        longest.append(max(steps))
        cluster.workers.remove(joining)
        cluster.seconds_to_next_generations_commit(joining.kill)
        joining.wait()
    pace = statistics.mean(paces)
    row("joiner: start to the first commit with it", f"{statistics.median(times):.2f} s",
        f"longest {max(times):.2f} s, at most 5 s")
    row("joiner: usual step of the other", f"{pace * 1000:.0f} ms", "")
    row("joiner: mean step meanwhile", f"{statistics.mean(means) * 1000:.0f} ms",
        f"{100 * (statistics.mean(means) / pace - 1):+.0f} %, at most +10 %")
    row("joiner: longest step meanwhile", f"{max(longest) * 1000:.0f} ms", "")
    row("joiner: mean step beside a process that only spins",
        f"{100 * (beside_a_spinning_process(cluster) - 1):+.0f} %", "")
    cluster.end()


def oversubscribed(options):
    """Four busy processes for every processor, beside the workers."""
    busy = [subprocess.Popen(SPINNING) for _ in range(4 * os.cpu_count())]
    try:
        cluster = Cluster(options, "oversubscribed", epochCount=100000)
        cluster.start_coordinator(3)
        for _ in range(3):
            cluster.add_worker()
        cluster.wait_for_members(3)
        seconds = options.seconds or 600
        start, (first, generation) = time.monotonic(), cluster.newest()
        time.sleep(seconds)
        status = cluster.status()
        row("oversubscribed", f"{seconds} s", f"{len(busy)} busy processes")
        row("steps", cluster.newest()[0] - first, "")
        row("evictions", status["evictionCount"], "0")
        row("new generations", cluster.newest()[1] - generation, "")
        cluster.end()
    finally:
        for process in busy:
            process.kill()
            process.wait()


class Machines:
    """Network namespaces without names, on one bridge: nothing is left of them when they end."""

    def __init__(self, count):
        # The last one holds the bridge.
        self.holders = [
            subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "sh",
                              "-c", "ip link set lo up && echo made && exec sleep infinity"],
                             stdout=subprocess.PIPE, text=True)
            for _ in range(count + 1)]
        for holder in self.holders:
            assert holder.stdout.readline() == "made\n", "cannot make a network namespace"
        bridge = self.holders[-1].pid
        self.inside(count, "ip", "link", "add", "bridge0", "type", "bridge")
        self.inside(count, "ip", "link", "set", "bridge0", "up")
        for number in range(count):
            self.inside(number, "ip", "link", "add", "wire", "address", self.hardware(number),
                        "type", "veth", "peer", "name", f"port{number}", "netns", str(bridge))
            self.inside(number, "ip", "address", "add", self.address(number) + "/24",
                        "dev", "wire")
            self.inside(number, "ip", "link", "set", "wire", "up")
            self.inside(count, "ip", "link", "set", f"port{number}", "master", "bridge0", "up")

    @staticmethod
    def address(number):
        return f"10.77.0.{number + 1}"

    @staticmethod
    def hardware(number):
        return f"02:00:00:00:00:{number + 1:02x}"

    def prefix(self, number):
        return ["nsenter", f"--net=/proc/{self.holders[number].pid}/ns/net", "--"]

    def inside(self, number, *words):
        subprocess.run([*self.prefix(number), *words], check=True)

    def aim(self, source, target, hardware):
        """Where packets from one machine to another go: to nobody, if nobody has that address."""
        self.inside(source, "ip", "neighbour", "replace", self.address(target), "lladdr",
                    hardware, "dev", "wire", "nud", "permanent")

    def end(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()


def both_ends(machines, cluster, sender, receiver):
    """Who receives nothing waits for sums; so does the other, whose stream has no acknowledgements
    left. Or, when the step before was not over everywhere, one of them fetches its result."""
    ways = ((sender, receiver), (receiver, sender))
    processes = {number: cluster.workers[number - 1].pid for number in (sender, receiver)}
    waits = [rf"process {processes[one]}\) waits for worker \w+ on \S+ "
             rf"\(process {processes[other]}\)" for one, other in ways]
    fetches = [rf"process {processes[one]}\), which .* from (?:\S+, )*"
               rf"tcp://{machines.address(other)}:" for one, other in ways]
    return re.compile("|".join(waits + fetches))


def cut(options):
    """Packets from one worker's machine to another's get lost for a while, in silence."""
    epochs = 1500
    expected = undisturbed_hash(options, epochs)

    machines = Machines(4)
    cluster = Cluster(options, "cut", epochCount=epochs)
    cluster.start_coordinator(
        3, "--listen", f"tcp://{machines.address(0)}:0", "--trust-network",
        prefix=machines.prefix(0))
    for number in range(1, 4):
        cluster.add_worker(1, "--trust-network", prefix=machines.prefix(number))
    cluster.wait_for_members(3)
    seconds = options.seconds or 15
    explained, healed, stalls = [], [], 0
    for _ in range(options.count or 5):
        sender, receiver = random.sample(range(1, 4), 2)
        sentence = both_ends(machines, cluster, sender, receiver)
        machines.aim(sender, receiver, "02:00:00:00:00:ff")
        start, last = time.monotonic(), cluster.newest()
        cluster.wait("the sentence that names both", lambda: sentence.search(cluster.why()))
        explained.append(time.monotonic() - start)
        time.sleep(max(0, start + seconds - time.monotonic()))
        machines.aim(sender, receiver, machines.hardware(receiver))
        start, (step, generation) = time.monotonic(), cluster.newest()
        stalls += step - last[0] < 100
        cluster.wait("a commit after the cut", lambda: cluster.newest()[0] > step)
        healed.append(time.monotonic() - start)
        cluster.wait_for_members(3)
    status = cluster.status()
    row("cut: lines in one direction, for so long", f"{len(explained)}", f"{seconds} s each")
    row("cut: both ends are named after, at most", f"{max(explained):.1f} s", "2 s and a step")
    row("cut: hardly anything was committed meanwhile", stalls,
        "the sums need every line, until one end is evicted")
    row("cut: next commit after the end, at most", f"{max(healed):.1f} s", "")
    row("cut: evictions", status["evictionCount"], "0; 1 for each that lasts longer than 38 s")
    row("cut: exit code of the coordinator", cluster.coordinator.wait(600), "0")
    row("cut: same hash as undisturbed", cluster.hash() == expected, f"step {expected[0]}")
    cluster.end()
    machines.end()


SCENARIOS = {
    "kills": kills, "freezes": freezes, "chaos": chaos, "absent": absent, "joiner": joiner,
    "oversubscribed": oversubscribed, "cut": cut,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="+", choices=SCENARIOS)
    parser.add_argument("--accord", default=os.path.join(ROOT, ".build/release/accord"))
    parser.add_argument("--work", default=os.path.join(ROOT, "build/bench-cluster"))
    parser.add_argument("--count", type=int, help="strikes")
    parser.add_argument("--seconds", type=int, help="of absence or load")
    parser.add_argument("--epochs", type=int, default=4000, help="of the run that chaos disturbs")
    parser.add_argument("--own-memory", action="store_true",
                        help="use the system's pool of huge pages, see own_memory")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    if options.own_memory:
        own_memory()
    options.clips = os.path.join(options.work, "clips")
    if not os.path.exists(os.path.join(options.clips, "vocab.txt")):
        subprocess.run([options.accord, "synthesize", "--clips", "120", "--seed", "7",
                        "--out", options.clips], check=True, stdout=subprocess.DEVNULL)
    for scenario in options.scenarios:
        SCENARIOS[scenario](options)


if __name__ == "__main__":
    main()
