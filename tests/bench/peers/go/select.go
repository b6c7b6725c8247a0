// select.go - select in Go: cases that are ready, none ready, producers beside a context
// SPDX-License-Identifier: MIT
package main

import "context"

func twoReady(ops int) int {
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	for i := 0; i < ops; i++ {
		a <- 1
		select {
		case value := <-a:
			sink += value
		case value := <-b:
			sink += value
		}
	}
	return ops
}

func noneReady(ops int) int {
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	for i := 0; i < ops; i++ {
		select {
		case value := <-a:
			sink += value
		case value := <-b:
			sink += value
		default:
			sink++
		}
	}
	return ops
}

func twoProducers(ops int) int {
	a, b := make(chan uint64, 64), make(chan uint64, 64)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	each := share(ops, 2)
	for _, ch := range []chan uint64{a, b} {
		go func(ch chan uint64) {
			for i := 0; i < each; i++ {
				ch <- 1
			}
		}(ch)
	}
	for i := 0; i < 2*each; i++ {
		select {
		case value := <-a:
			sink += value
		case value := <-b:
			sink += value
		case <-ctx.Done():
			panic("done")
		}
	}
	return 2 * each
}

func sendOrCtx(ops int) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := make(chan uint64, 64)
	go func() {
		for i := 0; i < ops; i++ {
			select {
			case ch <- 1:
			case <-ctx.Done():
				return
			}
		}
		close(ch)
	}()
	for value := range ch {
		sink += value
	}
	return ops
}

func selectCells() {
	cell("select_1t_2ready", func() int { return twoReady(scaled(5000000)) })
	cell("select_1t_default", func() int { return noneReady(scaled(5000000)) })
	cell("select_2prod_ctx", func() int { return twoProducers(scaled(2000000)) })
	cell("send_or_ctx_spsc_cap64", func() int { return sendOrCtx(scaled(2000000)) })
}
