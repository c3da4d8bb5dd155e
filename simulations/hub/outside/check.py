"""What published packages make of the same files: FastCDC, zstd and ZipNN.

    check.py DIR [OURS.json]

DIR holds models, a directory each. OURS.json is the results.json that the hub
command wrote of them; with it, its figures stand beside these. Prints a table in
Markdown. See docs/study.md for what may differ, and why.
"""

import hashlib
import json
import os
import struct
import sys

import zstandard
from fastcdc import fastcdc
from zipnn import ZipNN

AVERAGE = 64 << 10  # of a chunk; a quarter of it at least, four times at most, as ZipLLM has it
ZIPNN = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def files(root):
    """Every file of the models in root, in order."""
    for where, dirs, names in os.walk(root):
        dirs.sort()
        if where == root:
            continue
        for name in sorted(names):
            yield os.path.join(where, name)


def tensors(path, data):
    """The dtype and the bytes of each tensor; None for what is no tensor."""
    if not path.endswith(".safetensors"):
        yield None, data
        return
    (n,) = struct.unpack("<Q", data[:8])
    yield None, data[: 8 + n]
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__", None)
    for t in sorted(header.values(), key=lambda t: t["data_offsets"]):
        a, b = t["data_offsets"]
        yield t["dtype"], data[8 + n + a : 8 + n + b]


class Chunks:
    """Duplicate chunks, by FastCDC."""

    def __init__(self):
        self.total = self.unique = self.bytes = self.kept = 0
        self.seen = set()

    def add(self, data):
        for c in fastcdc(data, AVERAGE // 4, AVERAGE, AVERAGE * 4, fat=True):
            self.total += 1
            self.bytes += c.length
            digest = hashlib.sha256(c.data).digest()
            if digest not in self.seen:
                self.seen.add(digest)
                self.unique += 1
                self.kept += c.length


def zipnn(dtype, data):
    """The size of a tensor in ZipNN's frame; as it is where it has none."""
    if dtype not in ZIPNN or not data:
        return len(data)
    z = ZipNN(method="HUFFMAN", bytearray_dtype=ZIPNN[dtype], threads=1)
    coded = z.compress(bytearray(data))
    if bytes(z.decompress(coded)) != data:
        sys.exit("ZipNN does not give back what it was given")
    return min(len(coded), len(data))


def measure(root):
    """What each package comes to."""
    level3 = zstandard.ZstdCompressor(level=3)
    chunks, total, out = Chunks(), 0, {"zstd": 0, "zstd_files": 0, "zipnn": 0}
    for path in files(root):
        with open(path, "rb") as f:
            data = f.read()
        total += len(data)
        chunks.add(data)
        out["zstd_files"] += len(level3.compress(data))
        for dtype, part in tensors(path, data):
            out["zstd"] += min(len(level3.compress(part)), len(part))
            out["zipnn"] += zipnn(dtype, part)
        if sys.stderr.isatty():
            print(f"\r{total >> 20} MiB", end="", file=sys.stderr)
    out["bytes"], out["chunks"], out["unique"], out["chunk"] = total, chunks.total, chunks.unique, chunks.kept
    return out


def theirs(name):
    """The same figures, of what the hub command measured."""
    with open(name, encoding="utf-8") as f:
        by = {o["method"]: o for o in json.load(f)["outcomes"]}
    out = {name: by[name]["stored"] for name in ("chunk", "zstd", "zipnn") if name in by}
    if "chunk" in by:
        out["chunks"], out["unique"] = by["chunk"]["pieces"], by["chunk"]["unique"]
    for o in by.values():
        out["bytes"] = o["bytes"]
    return out


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    got = measure(sys.argv[1])
    ours = theirs(sys.argv[2]) if len(sys.argv) == 3 else {}
    rows = [
        ("bytes of the files", "bytes"),
        ("FastCDC: chunks", "chunks"),
        ("FastCDC: of these not there before", "unique"),
        ("FastCDC: bytes stored", "chunk"),
        ("zstd 3, tensor by tensor", "zstd"),
        ("zstd 3, file by file", "zstd_files"),
        ("ZipNN, tensor by tensor", "zipnn"),
    ]
    print("| | the package | here | here / package |")
    print("|---|---|---|---|")
    for what, key in rows:
        mine = ours.get(key)
        shown = "" if mine is None else f"{mine:,}"
        part = "" if mine is None else f"{mine / got[key]:.4f}"
        print(f"| {what} | {got[key]:,} | {shown} | {part} |")
    print()
    print(f"Saved: FastCDC {1 - got['chunk'] / got['bytes']:.2%}, zstd {1 - got['zstd'] / got['bytes']:.2%}, ZipNN {1 - got['zipnn'] / got['bytes']:.2%}; mean chunk {got['bytes'] / got['chunks']:,.0f} bytes.")


if __name__ == "__main__":
    main()
