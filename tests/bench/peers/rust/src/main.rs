// main.rs - the cells in Rust: crossbeam-channel, flume, the standard library, rayon
// SPDX-License-Identifier: MIT
//
// Prints "cell <TAB> peer <TAB> ns per operation <TAB> processor time in ns per operation". SCALE
// in the environment multiplies every count, CELL names the only cell to run.
mod chan;
mod select;
mod task;

use std::time::Instant;

/// A count times SCALE, and at least 1.
fn scaled(count: usize) -> usize {
    let scale: f64 = match std::env::var("SCALE") {
        Ok(text) => text.parse().expect("SCALE is not a number"),
        Err(_) => 1.0,
    };
    ((count as f64 * scale) as usize).max(1)
}

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

fn cpu_ns() -> f64 {
    let mut used = Timespec { sec: 0, nsec: 0 };
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    used.sec as f64 * 1e9 + used.nsec as f64
}

/// Run one cell: run does a number of operations, and gives it back.
fn cell(name: &str, peer: &str, run: impl FnOnce() -> usize) {
    if let Ok(only) = std::env::var("CELL") {
        if !only.is_empty() && only != name {
            return;
        }
    }
    let cpu = cpu_ns();
    let start = Instant::now();
    let ops = run() as f64;
    let wall = start.elapsed().as_nanos() as f64;
    println!("{}\t{}\t{:.2}\t{:.2}", name, peer, wall / ops, (cpu_ns() - cpu) / ops);
}

fn main() {
    chan::cells();
    select::cells();
    task::cells();
}
