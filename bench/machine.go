package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/cpu"

	"github.com/zipnode/zipnode/bench/yardstick"
)

// machine describes what the figures depend on.
func machine() string {
	vectors := "portable C"
	if yardstick.Vectorised() {
		vectors = "AVX2"
	}
	return fmt.Sprintf("%s, %s/%s, AVX-512 %v; %s, tags %q, GODEBUG %q; yardsticks: libzstd 1.5.7, planes by %s",
		processor(), runtime.GOOS, runtime.GOARCH, cpu.X86.HasAVX512, runtime.Version(), tags(), os.Getenv("GODEBUG"), vectors)
}

// processor returns what the kernel calls the processor.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// tags returns the build tags that zipnode was built with.
func tags() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-tags" {
				return s.Value
			}
		}
	}
	return ""
}
