"""Milliseconds a step of FlexMatch's memory of a million faces, batches of 64.

python tests/benchmarks/label_memory.py
"""

import time

import numpy as np
import tensorflow as tf

from kerasfer.layers import LabelMemory

memory = LabelMemory(10**6, 8)


@tf.function
def step(index):
    labels, mask = index % 8, tf.ones_like(index, tf.float32)
    for variable, value in memory.remembering(index, labels, mask):
        variable.assign(value)


times = []
for start in range(0, 300 * 64, 64):
    index = tf.range(start, start + 64)
    begin = time.perf_counter()
    step(index)
    times.append(1e3 * (time.perf_counter() - begin))
print(f"median {np.median(times[20:]):.2f} ms")
