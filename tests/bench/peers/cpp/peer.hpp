// peer.hpp - what the peers in C++ share: counts, the line that a cell prints, loads
// SPDX-License-Identifier: MIT
//
// A peer prints "cell <TAB> peer <TAB> ns per operation <TAB> processor time in ns per operation".
// SCALE in the environment multiplies every count, CELL names the only cell to run.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace peer {

inline volatile long sink;

inline long scaled(double count)
{
    static const char *text = getenv("SCALE");
    static double scale = text ? atof(text) : 1;
    return std::max(1L, static_cast<long>(count * scale));
}

inline double cpu_ns()
{
    timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

// Run one cell: run does a number of operations, and gives it back.
template <class Run> void cell(const std::string &name, const char *who, Run run)
{
    const char *only = getenv("CELL");
    if (only && *only && name != only) {
        return;
    }
    double cpu_before = cpu_ns();
    auto before = std::chrono::steady_clock::now();
    double ops = static_cast<double>(run());
    std::chrono::duration<double, std::nano> wall = std::chrono::steady_clock::now() - before;
    printf("%s\t%s\t%.2f\t%.2f\n", name.c_str(), who, wall.count() / ops,
           (cpu_ns() - cpu_before) / ops);
    fflush(stdout);
}

// Pass about ops numbers from senders to receivers; recv gives 0 for "no more".
template <class Send, class Recv>
long stream(int senders, int receivers, long ops, Send send, Recv recv)
{
    std::vector<std::thread> sending;
    std::vector<std::thread> receiving;
    long each = std::max(1L, ops / senders);
    for (int i = 0; i < senders; i++) {
        sending.emplace_back([=] {
            for (long k = 0; k < each; k++) {
                send(k + 1);
            }
        });
    }
    for (int i = 0; i < receivers; i++) {
        receiving.emplace_back([=] {
            while (recv() != 0) {
            }
        });
    }
    for (auto &thread : sending) {
        thread.join();
    }
    for (int i = 0; i < receivers; i++) {
        send(0);
    }
    for (auto &thread : receiving) {
        thread.join();
    }
    return each * senders;
}

struct stream_cell {
    const char *name;
    int         senders;
    int         receivers;
    int         cap;
    double      ops;
};

// The streams that a queue with a bound can have; none of them has a rendezvous.
inline const stream_cell stream_cells[] = {
    {"chan_spsc_cap1024", 1, 1, 1024, 5e6}, {"chan_spsc_cap64", 1, 1, 64, 5e6},
    {"chan_spsc_cap1", 1, 1, 1, 2e5},       {"chan_mpsc4_cap64", 4, 1, 64, 2e6},
    {"chan_spmc4_cap64", 1, 4, 64, 2e6},    {"chan_mpmc2x2_cap64", 2, 2, 64, 2e6},
    {"chan_mpmc8x8_cap64", 8, 8, 64, 1e6},  {"chan_mpmc64x64_cap64", 64, 64, 64, 2e5},
};

// About a microsecond of work.
inline void one_us()
{
    static volatile unsigned long seed = 1;
    unsigned long x = seed;
    for (int k = 0; k < 400; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    if (!x) {
        sink = sink + 1;
    }
}

// Do half of about ops operations on each of two threads: half(count) does count of them.
template <class Half> long two_threads(long ops, Half half)
{
    long each = std::max(1L, ops / 2);
    std::thread other([=] { half(each); });
    half(each);
    other.join();
    return 2 * each;
}

} // namespace peer
