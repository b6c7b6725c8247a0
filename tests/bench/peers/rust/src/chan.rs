// chan.rs - channels of crossbeam, flume and the standard library
// SPDX-License-Identifier: MIT
use crate::{cell, scaled};
use crossbeam_channel::bounded;
use std::hint::black_box;
use std::thread;

fn one_thread(ops: usize) -> usize {
    let (sender, receiver) = bounded::<u64>(1);
    let mut sum = 0u64;
    for i in 0..ops {
        sender.send(i as u64).unwrap();
        sum += receiver.recv().unwrap();
    }
    black_box(sum);
    ops
}

/// Receive until the channel is closed.
fn drain(mut recv: impl FnMut() -> Option<u64>) {
    let mut sum = 0u64;
    while let Some(value) = recv() {
        sum = sum.wrapping_add(value);
    }
    black_box(sum);
}

/// The same for two kinds of channels whose ends can be cloned.
macro_rules! stream_cloned {
    ($name:ident, $bounded:expr) => {
        fn $name(load: &Load) -> usize {
            let (sender, receiver) = $bounded(load.cap);
            let each = (scaled(load.ops) / load.senders).max(1);
            thread::scope(|scope| {
                for _ in 0..load.senders {
                    let sender = sender.clone();
                    scope.spawn(move || (0..each).for_each(|k| sender.send(k as u64).unwrap()));
                }
                drop(sender);
                for _ in 0..load.receivers {
                    let receiver = receiver.clone();
                    scope.spawn(move || drain(|| receiver.recv().ok()));
                }
            });
            load.senders * each
        }
    };
}

stream_cloned!(crossbeam, crossbeam_channel::bounded::<u64>);
stream_cloned!(flume, flume::bounded::<u64>);

/// The standard library's channel has one receiver.
fn std_mpsc(load: &Load) -> usize {
    let (sender, receiver) = std::sync::mpsc::sync_channel::<u64>(load.cap);
    let each = (scaled(load.ops) / load.senders).max(1);
    thread::scope(|scope| {
        for _ in 0..load.senders {
            let sender = sender.clone();
            scope.spawn(move || (0..each).for_each(|k| sender.send(k as u64).unwrap()));
        }
        drop(sender);
        drain(|| receiver.recv().ok());
    });
    load.senders * each
}

/// Send each element through hops threads and take it back.
fn there_and_back(hops: usize, cap: usize, rounds: usize) {
    let (first, mut last) = bounded::<u64>(cap);
    let mut threads = vec![];
    for _ in 0..hops {
        let (to, next) = bounded::<u64>(cap);
        let from = last;
        threads.push(thread::spawn(move || {
            while let Ok(value) = from.recv() {
                to.send(value).unwrap()
            }
        }));
        last = next;
    }
    for i in 0..rounds {
        first.send(i as u64).unwrap();
        last.recv().unwrap();
    }
    drop(first);
    for thread in threads {
        thread.join().unwrap()
    }
}

struct Load {
    name: &'static str,
    senders: usize,
    receivers: usize,
    cap: usize,
    ops: usize,
}

#[rustfmt::skip]
const LOADS: [Load; 10] = [
    Load { name: "chan_spsc_cap1024", senders: 1, receivers: 1, cap: 1024, ops: 5_000_000 },
    Load { name: "chan_spsc_cap64", senders: 1, receivers: 1, cap: 64, ops: 5_000_000 },
    Load { name: "chan_spsc_cap1", senders: 1, receivers: 1, cap: 1, ops: 2_000_000 },
    Load { name: "chan_spsc_cap0", senders: 1, receivers: 1, cap: 0, ops: 2_000_000 },
    Load { name: "chan_mpsc4_cap64", senders: 4, receivers: 1, cap: 64, ops: 5_000_000 },
    Load { name: "chan_spmc4_cap64", senders: 1, receivers: 4, cap: 64, ops: 5_000_000 },
    Load { name: "chan_mpmc2x2_cap64", senders: 2, receivers: 2, cap: 64, ops: 5_000_000 },
    Load { name: "chan_mpmc8x8_cap64", senders: 8, receivers: 8, cap: 64, ops: 2_000_000 },
    Load { name: "chan_mpmc64x64_cap64", senders: 64, receivers: 64, cap: 64, ops: 1_000_000 },
    Load { name: "chan_mpmc8x8_cap0", senders: 8, receivers: 8, cap: 0, ops: 1_000_000 },
];

pub fn cells() {
    cell("chan_1t_cap1", "crossbeam", || one_thread(scaled(5_000_000)));
    for load in &LOADS {
        cell(load.name, "crossbeam", || crossbeam(load));
        cell(load.name, "flume", || flume(load));
        if load.receivers == 1 {
            cell(load.name, "std::mpsc", || std_mpsc(load));
        }
    }
    for cap in [1, 0] {
        cell(&format!("chan_pingpong_cap{}", cap), "crossbeam", || {
            let rounds = scaled(500_000);
            there_and_back(1, cap, rounds);
            rounds
        });
    }
    cell("chan_ring100_cap0", "crossbeam", || {
        let rounds = scaled(100);
        there_and_back(100, 0, rounds);
        rounds * 100
    });
}
