// object.go - once, singleflight, object pools and counters in Go
// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

func onceFast(ops int) int {
	var once sync.Once
	f := func() {}
	for i := 0; i < ops; i++ {
		once.Do(f)
	}
	return ops
}

func fly(group *singleflight.Group, keys []string, ops int) int {
	for i := 0; i < ops; i++ {
		_, err, _ := group.Do(keys[i%len(keys)], func() (interface{}, error) { return nil, nil })
		if err != nil {
			panic(err)
		}
	}
	return ops
}

func flyTwo(keys []string, ops int) int {
	var group singleflight.Group
	return parallel(2, ops, func(count int) { fly(&group, keys, count) })
}

type object struct{ bytes [1024]byte }

func newPool() *sync.Pool {
	return &sync.Pool{New: func() any { return new(object) }}
}

func getPut(pool *sync.Pool, ops int) int {
	for i := 0; i < ops; i++ {
		o := pool.Get().(*object)
		o.bytes[0] = 1
		pool.Put(o)
	}
	return ops
}

func burst32(pool *sync.Pool, bursts int) {
	var objects [32]*object
	for i := 0; i < bursts; i++ {
		for k := range objects {
			objects[k] = pool.Get().(*object)
		}
		for k := range objects {
			pool.Put(objects[k])
		}
	}
}

func objectCells() {
	cell("once_fast", func() int { return onceFast(scaled(200000000)) })
	one := []string{"user:42"}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("user:%d", i)
	}
	cell("singleflight_1t", func() int {
		var group singleflight.Group
		return fly(&group, one, scaled(2000000))
	})
	cell("singleflight_2t_samekey", func() int { return flyTwo(one, scaled(2000000)) })
	cell("singleflight_2t_1000keys", func() int { return flyTwo(many, scaled(2000000)) })
	cell("objpool_1t", func() int { return getPut(newPool(), scaled(5000000)) })
	cell("objpool_2t", func() int {
		pool := newPool()
		return parallel(2, scaled(5000000), func(count int) { getPut(pool, count) })
	})
	cell("objpool_burst32_2t", func() int {
		pool := newPool()
		return 32 * parallel(2, share(scaled(5000000), 32), func(bursts int) { burst32(pool, bursts) })
	})
	cell("counter_2t", func() int {
		var counter int64
		return parallel(2, scaled(50000000), func(count int) {
			for i := 0; i < count; i++ {
				atomic.AddInt64(&counter, 1)
			}
		})
	})
}
