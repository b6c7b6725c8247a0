// task.rs - tasks of rayon, a queue as an object pool, once
// SPDX-License-Identifier: MIT
use crate::{cell, scaled};
use std::hint::black_box;

fn run_tasks(count: usize, task: fn()) -> usize {
    rayon::scope(|scope| {
        for _ in 0..count {
            scope.spawn(move |_| task())
        }
    });
    count
}

fn nothing() {}

/// About a microsecond of work.
fn one_us() {
    let mut x = black_box(1u64);
    for _ in 0..400 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x);
}

fn fib(k: u64) -> u64 {
    if k < 2 {
        return k;
    }
    let (a, b) = rayon::join(|| fib(k - 1), || fib(k - 2));
    a + b
}

fn objpool(ops: usize) -> usize {
    let queue = crossbeam_queue::ArrayQueue::<Box<[u8; 1024]>>::new(64);
    queue.push(Box::new([0; 1024])).unwrap();
    for _ in 0..ops {
        let mut object = queue.pop().unwrap();
        object[0] = 1;
        queue.push(object).unwrap();
    }
    ops
}

fn once_fast(ops: usize) -> usize {
    let once = std::sync::Once::new();
    for _ in 0..ops {
        black_box(&once).call_once(|| {})
    }
    ops
}

pub fn cells() {
    rayon::join(|| 0, || 0); // its threads run from here on
    cell("spawn_wait", "rayon", || run_tasks(scaled(1_000_000), nothing));
    cell("pool_empty", "rayon", || run_tasks(scaled(1_000_000), nothing));
    cell("pool_1us", "rayon", || run_tasks(scaled(500_000), one_us));
    cell("forkjoin_fib22", "rayon", || {
        let rounds = scaled(20);
        for _ in 0..rounds {
            black_box(rayon::scope(|_| fib(22)));
        }
        rounds * 28656
    });
    cell("errgroup_10_latency", "rayon", || {
        let ops = scaled(50_000);
        for _ in 0..ops {
            run_tasks(10, nothing);
        }
        ops
    });
    cell("objpool_1t", "crossbeam ArrayQueue", || objpool(scaled(5_000_000)));
    cell("once_fast", "std::sync::Once", || once_fast(scaled(200_000_000)));
}
