// main.go - the cells in Go: what they share, and the order in which they run
// SPDX-License-Identifier: MIT
//
// Prints "cell <TAB> go <TAB> ns per operation <TAB> processor time in ns per operation". SCALE in
// the environment multiplies every count, CELL names the only cell to run.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var scale = 1.0
var sink uint64

func scaled(count int) int {
	return share(int(float64(count)*scale), 1)
}

// share is what each of parts does when all do about ops operations together: at least one.
func share(ops, parts int) int {
	if ops > parts {
		return ops / parts
	}
	return 1
}

func cpuNs() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// cell runs one load, which gives back how many operations it did.
func cell(name string, run func() int) {
	if only := os.Getenv("CELL"); only != "" && only != name {
		return
	}
	runtime.GC()
	cpu := cpuNs()
	start := time.Now()
	ops := float64(run())
	wall := time.Since(start).Nanoseconds()
	fmt.Printf("%s\tgo\t%.2f\t%.2f\n", name, float64(wall)/ops, float64(cpuNs()-cpu)/ops)
}

// parallel runs f(share) in tasks goroutines at once, and gives the operations of all of them.
func parallel(tasks, ops int, f func(count int)) int {
	each := share(ops, tasks)
	var wg sync.WaitGroup
	for i := 0; i < tasks; i++ {
		wg.Add(1)
		go func() {
			f(each)
			wg.Done()
		}()
	}
	wg.Wait()
	return tasks * each
}

func main() {
	if text := os.Getenv("SCALE"); text != "" {
		var err error
		if scale, err = strconv.ParseFloat(text, 64); err != nil {
			panic(err)
		}
	}
	chanCells()
	selectCells()
	taskCells()
	limiterCells()
	ctxCells()
	objectCells()
}
