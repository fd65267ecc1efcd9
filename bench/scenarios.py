# SPDX-License-Identifier: Apache-2.0
"""The list of what is measured: name, function, seconds it may take in all (quickly, fully)."""
import brokered
import cold
import cost
import memory
import scale
import serve
import warm

SCENARIOS = {
    "cold": (cold.start, 10, 120),
    "namespaces": (cold.namespaces, 10, 240),
    "seccomp": (cold.seccomp, 8, 120),
    "prices": (cold.prices, 4, 30),
    "commands": (cold.short, 6, 90),
    "engine": (cold.engine, 10, 120),
    "warm": (warm.command, 6, 90),
    "latency": (warm.latency, 6, 240),
    "eight": (scale.eight, 6, 120),
    "idle": (scale.among_idle, 8, 240),
    "peak": (memory.peak, 4, 60),
    "limit": (memory.limit, 8, 240),
    "container": (memory.idle, 6, 60),
    "density": (memory.density, 8, 240),
    "cpu": (cost.cpu, 6, 120),
    "calls": (cost.calls, 6, 120),
    "levers": (cost.levers, 4, 60),
    "brokered": (brokered.brokered, 10, 240),
    "throughput": (serve.throughput, 25, 180),
    "sizes": (memory.sizes, 4, 500),
}
