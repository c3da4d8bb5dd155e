module github.com/zipnode/zipnode/bench

go 1.26.0

require (
	github.com/DataDog/zstd v1.5.7
	github.com/zipnode/zipnode v0.0.0
	golang.org/x/sys v0.49.0
	gopkg.in/yaml.v3 v3.0.1
)

require github.com/klauspost/compress v1.20.3 // indirect

replace github.com/zipnode/zipnode => ..
