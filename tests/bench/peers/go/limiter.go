// limiter.go - rate limiters and semaphores in Go
// SPDX-License-Identifier: MIT
package main

import (
	"context"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

func allow(limiter *rate.Limiter, ops int) int {
	for i := 0; i < ops; i++ {
		limiter.Allow()
	}
	return ops
}

func waitReady(ops int) int {
	limiter := rate.NewLimiter(1e9, 1000000000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := 0; i < ops; i++ {
		if err := limiter.Wait(ctx); err != nil {
			panic(err)
		}
	}
	return ops
}

func acquireRelease(ops int) int {
	sem := semaphore.NewWeighted(4)
	ctx := context.Background()
	for i := 0; i < ops; i++ {
		if err := sem.Acquire(ctx, 1); err != nil {
			panic(err)
		}
		sem.Release(1)
	}
	return ops
}

func limiterCells() {
	cell("limiter_allow_1t", func() int {
		return allow(rate.NewLimiter(1e9, 1000000), scaled(5000000))
	})
	cell("limiter_deny_1t", func() int { return allow(rate.NewLimiter(1, 1), scaled(5000000)) })
	cell("limiter_allow_2t", func() int {
		limiter := rate.NewLimiter(1e9, 1000000)
		return parallel(2, scaled(5000000), func(count int) { allow(limiter, count) })
	})
	cell("limiter_wait_ready", func() int { return waitReady(scaled(2000000)) })
	cell("sem_1t", func() int { return acquireRelease(scaled(10000000)) })
}
