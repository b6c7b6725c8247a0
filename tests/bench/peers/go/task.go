// task.go - tasks in Go: goroutines with a WaitGroup, errgroup, workers that range over a channel
// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

func nothing() error { return nil }

func spawnWait(ops int) int {
	var wg sync.WaitGroup
	for i := 0; i < ops; i++ {
		wg.Add(1)
		go func() { wg.Done() }()
	}
	wg.Wait()
	return ops
}

// groupOf runs empty tasks in a group; a limit of -1 is none.
func groupOf(limit, tasks int) int {
	group, _ := errgroup.WithContext(context.Background())
	group.SetLimit(limit)
	for i := 0; i < tasks; i++ {
		group.Go(nothing)
	}
	if err := group.Wait(); err != nil {
		panic(err)
	}
	return tasks
}

var seed uint64 = 1

// oneUs works for about a microsecond.
func oneUs() {
	x := seed
	for k := 0; k < 400; k++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		sink++
	}
}

func poolOf(tasks int, task func()) int {
	work := make(chan func(), 1024)
	var wg sync.WaitGroup
	for i := 0; i < runtime.NumCPU(); i++ {
		wg.Add(1)
		go func() {
			for f := range work {
				f()
			}
			wg.Done()
		}()
	}
	for i := 0; i < tasks; i++ {
		work <- task
	}
	close(work)
	wg.Wait()
	return tasks
}

func fib(k int) int {
	if k < 2 {
		return k
	}
	var a int
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		a = fib(k - 1)
		wg.Done()
	}()
	b := fib(k - 2)
	wg.Wait()
	return a + b
}

func taskCells() {
	cell("spawn_wait", func() int { return spawnWait(scaled(1000000)) })
	cell("errgroup_nolimit", func() int { return groupOf(-1, scaled(1000000)) })
	cell("errgroup_limit2", func() int { return groupOf(2, scaled(1000000)) })
	cell("errgroup_limit8", func() int { return groupOf(8, scaled(1000000)) })
	cell("errgroup_10_latency", func() int {
		ops := scaled(50000)
		for i := 0; i < ops; i++ {
			groupOf(-1, 10)
		}
		return ops
	})
	cell("pool_empty", func() int { return poolOf(scaled(2000000), func() {}) })
	cell("pool_1us", func() int { return poolOf(scaled(500000), oneUs) })
	cell("forkjoin_fib22", func() int {
		rounds := scaled(20)
		for i := 0; i < rounds; i++ {
			sink += uint64(fib(22))
		}
		return rounds * 28656
	})
}
