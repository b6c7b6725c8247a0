// chan.go - channels in Go
// SPDX-License-Identifier: MIT
package main

import (
	"sync"
	"sync/atomic"
)

func chanOneThread(ops int) int {
	ch := make(chan uint64, 1)
	for i := 0; i < ops; i++ {
		ch <- uint64(i)
		sink += <-ch
	}
	return ops
}

func stream(senders, receivers, capacity, ops int) int {
	ch := make(chan uint64, capacity)
	each := share(ops, senders)
	var sending, receiving sync.WaitGroup
	for i := 0; i < senders; i++ {
		sending.Add(1)
		go func() {
			for k := 0; k < each; k++ {
				ch <- uint64(k)
			}
			sending.Done()
		}()
	}
	var total uint64
	for i := 0; i < receivers; i++ {
		receiving.Add(1)
		go func() {
			var sum uint64
			for value := range ch {
				sum += value
			}
			atomic.AddUint64(&total, sum)
			receiving.Done()
		}()
	}
	sending.Wait()
	close(ch)
	receiving.Wait()
	return senders * each
}

// thereAndBack sends each element through hops goroutines and takes it back.
func thereAndBack(hops, capacity, rounds int) {
	first := make(chan uint64, capacity)
	last := first
	for i := 0; i < hops; i++ {
		next := make(chan uint64, capacity)
		go func(from, to chan uint64) {
			for value := range from {
				to <- value
			}
			close(to)
		}(last, next)
		last = next
	}
	for i := 0; i < rounds; i++ {
		first <- uint64(i)
		<-last
	}
	close(first)
}

func chanCells() {
	cell("chan_1t_cap1", func() int { return chanOneThread(scaled(5000000)) })
	for _, load := range []struct {
		name                              string
		senders, receivers, capacity, ops int
	}{
		{"chan_spsc_cap1024", 1, 1, 1024, 5000000},
		{"chan_spsc_cap64", 1, 1, 64, 5000000},
		{"chan_spsc_cap1", 1, 1, 1, 2000000},
		{"chan_spsc_cap0", 1, 1, 0, 2000000},
		{"chan_mpsc4_cap64", 4, 1, 64, 5000000},
		{"chan_spmc4_cap64", 1, 4, 64, 5000000},
		{"chan_mpmc2x2_cap64", 2, 2, 64, 5000000},
		{"chan_mpmc8x8_cap64", 8, 8, 64, 2000000},
		{"chan_mpmc64x64_cap64", 64, 64, 64, 1000000},
		{"chan_mpmc8x8_cap0", 8, 8, 0, 1000000},
	} {
		load := load
		cell(load.name, func() int {
			return stream(load.senders, load.receivers, load.capacity, scaled(load.ops))
		})
	}
	cell("chan_pingpong_cap1", func() int {
		rounds := scaled(500000)
		thereAndBack(1, 1, rounds)
		return rounds
	})
	cell("chan_pingpong_cap0", func() int {
		rounds := scaled(500000)
		thereAndBack(1, 0, rounds)
		return rounds
	})
	cell("chan_ring100_cap0", func() int {
		rounds := scaled(1000)
		thereAndBack(100, 0, rounds)
		return rounds * 100
	})
}
