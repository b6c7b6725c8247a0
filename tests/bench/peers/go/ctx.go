// ctx.go - contexts and timers in Go
// SPDX-License-Identifier: MIT
package main

import (
	"context"
	"time"
)

func newCancel(ops int) int {
	root, cancelRoot := context.WithCancel(context.Background())
	for i := 0; i < ops; i++ {
		_, cancel := context.WithCancel(root)
		cancel()
	}
	cancelRoot()
	return ops
}

func timeoutNewCancel(ops int) int {
	root, cancelRoot := context.WithCancel(context.Background())
	for i := 0; i < ops; i++ {
		_, cancel := context.WithTimeout(root, time.Minute)
		cancel()
	}
	cancelRoot()
	return ops
}

// ask looks at a context that has so many ancestors.
func ask(ancestors, ops int) int {
	ctx, cancel := context.WithCancel(context.Background())
	for i := 0; i < ancestors; i++ {
		ctx, _ = context.WithCancel(ctx)
	}
	for i := 0; i < ops; i++ {
		if ctx.Err() != nil {
			sink++
		}
	}
	cancel()
	return ops
}

func cancelTree(ops int) int {
	root, cancel := context.WithCancel(context.Background())
	for i := 0; i < ops; i++ {
		context.WithCancel(root)
	}
	cancel()
	return ops
}

func startStop(ops int) int {
	for i := 0; i < ops; i++ {
		time.AfterFunc(time.Hour, func() {}).Stop()
	}
	return ops
}

func startStopAmongMany(ops int) int {
	live := make([]*time.Timer, 100000)
	for i := range live {
		delay := time.Hour + time.Duration(i*7919%len(live))*time.Microsecond
		live[i] = time.AfterFunc(delay, func() {})
	}
	for i := 0; i < ops; i++ {
		k := i * 7919 % len(live)
		live[k].Stop()
		live[k] = time.AfterFunc(time.Hour+time.Duration(i)*time.Microsecond, func() {})
	}
	for _, timer := range live {
		timer.Stop()
	}
	return ops
}

func ctxCells() {
	cell("ctx_new_cancel", func() int { return newCancel(scaled(2000000)) })
	cell("ctx_timeout_new_cancel", func() int { return timeoutNewCancel(scaled(1000000)) })
	cell("ctx_err_live", func() int { return ask(0, scaled(50000000)) })
	cell("ctx_err_deep10", func() int { return ask(10, scaled(50000000)) })
	cell("ctx_cancel_tree_100k", func() int { return cancelTree(scaled(100000)) })
	cell("timer_start_stop_1t", func() int { return startStop(scaled(1000000)) })
	cell("timer_start_stop_100k_live", func() int { return startStopAmongMany(scaled(500000)) })
}
