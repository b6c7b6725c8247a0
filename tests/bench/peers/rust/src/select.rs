// select.rs - crossbeam's select: cases that are ready, none ready, producers beside an end
// SPDX-License-Identifier: MIT
use crate::{cell, scaled};
use crossbeam_channel::{bounded, select};
use std::hint::black_box;
use std::thread;

fn two_ready(ops: usize) -> usize {
    let (sender, a) = bounded::<u64>(1);
    let (_other, b) = bounded::<u64>(1);
    let mut sum = 0;
    for _ in 0..ops {
        sender.send(1).unwrap();
        select! {
            recv(a) -> value => sum += value.unwrap(),
            recv(b) -> value => sum += value.unwrap(),
        }
    }
    black_box(sum);
    ops
}

fn none_ready(ops: usize) -> usize {
    let (_sender, a) = bounded::<u64>(1);
    let (_other, b) = bounded::<u64>(1);
    let mut sum = 0;
    for _ in 0..ops {
        select! {
            recv(a) -> value => sum += value.unwrap(),
            recv(b) -> value => sum += value.unwrap(),
            default => sum += 1,
        }
    }
    black_box(sum);
    ops
}

/// A channel on which nothing comes stands for the context.
fn two_producers(ops: usize) -> usize {
    let (to_a, a) = bounded::<u64>(64);
    let (to_b, b) = bounded::<u64>(64);
    let (_cancel, done) = bounded::<()>(0);
    let each = (ops / 2).max(1);
    let mut sum = 0;
    let start = |sender: crossbeam_channel::Sender<u64>| {
        thread::spawn(move || (0..each).for_each(|_| sender.send(1).unwrap()))
    };
    // The first ends stay open here: a channel that is closed would be ready all the time.
    let producers = [start(to_a.clone()), start(to_b.clone())];
    for _ in 0..2 * each {
        select! {
            recv(a) -> value => sum += value.unwrap(),
            recv(b) -> value => sum += value.unwrap(),
            recv(done) -> _ => panic!("done"),
        }
    }
    for producer in producers {
        producer.join().unwrap()
    }
    black_box((sum, to_a, to_b));
    2 * each
}

fn send_or_ctx(ops: usize) -> usize {
    let (sender, receiver) = bounded::<u64>(64);
    let (_cancel, done) = bounded::<()>(0);
    let producer = thread::spawn(move || {
        for _ in 0..ops {
            select! {
                send(sender, 1) -> sent => sent.unwrap(),
                recv(done) -> _ => return,
            }
        }
    });
    let mut sum = 0;
    while let Ok(value) = receiver.recv() {
        sum += value
    }
    producer.join().unwrap();
    black_box(sum);
    ops
}

pub fn cells() {
    cell("select_1t_2ready", "crossbeam", || two_ready(scaled(5_000_000)));
    cell("select_1t_default", "crossbeam", || none_ready(scaled(5_000_000)));
    cell("select_2prod_ctx", "crossbeam", || two_producers(scaled(2_000_000)));
    cell("send_or_ctx_spsc_cap64", "crossbeam", || send_or_ctx(scaled(2_000_000)));
}
