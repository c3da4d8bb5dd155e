#!/usr/bin/env python3
"""Decodes the chunks of vectors as docs/format.md says, and compares.

It shares no code with the Go decoder and follows that document section by section,
to show where the two part. It does not make all the checks that the document asks for.
What zstd codes is counted and passed over: the standard library has no decoder.
"""
import json
import struct
import sys

NUMBERS = {  # width, lowest bit of the exponent, its bits, kind
    "BF16": (2, 7, 8, "f"), "F16": (2, 10, 5, "f"), "F32": (4, 23, 8, "f"), "C64": (4, 23, 8, "f"),
    "F8_E4M3": (1, 3, 4, "f"), "F8_E4M3FNUZ": (1, 3, 4, "f"), "F8_E5M2": (1, 2, 5, "f"), "F8_E5M2FNUZ": (1, 2, 5, "f"),
    "I8": (1, 0, 0, "i"), "I16": (2, 0, 0, "i"), "I32": (4, 0, 0, "i"),
    "U8": (1, 0, 0, "u"), "BOOL": (1, 0, 0, "u"), "F8_E8M0": (1, 0, 0, "u"), "U16": (2, 0, 0, "u"), "U32": (4, 0, 0, "u"),
}
LAYOUT_WIDTH = [1, 2, 4, 8, 2, 4, 8]
FLOATS = ("BF16", "F16", "F32")


class Zstd(Exception):
    pass


def uvarint(b, at):
    n = shift = 0
    while True:
        n |= (b[at] & 0x7F) << shift
        at += 1
        if b[at - 1] < 0x80:
            return n, at
        shift += 7


def unzigzag(z):
    return z >> 1 if z & 1 == 0 else -(z >> 1) - 1


# --- casts


def widen(x, dtype):
    if dtype == "BF16":
        return x << 16
    if dtype == "F32":
        return x
    sign, e, m = x >> 15 << 31, x >> 10 & 31, x & 1023
    if e == 31:
        return sign | 255 << 23 | m << 13
    if e:
        return sign | (e + 112) << 23 | m << 13
    if not m:
        return sign
    shift = 11 - m.bit_length()
    return sign | (113 - shift) << 23 | (m << shift & 1023) << 13


def narrow(x, dtype):
    if dtype == "F32":
        return x
    nan = x & 0x7FFFFFFF > 255 << 23
    if dtype == "BF16":
        if nan and x & 0xFFFF:
            return x >> 16 | 1 << 6
        return (x + 0x7FFF + (x >> 16 & 1)) >> 16
    sign, x = x >> 31 << 15, x & 0x7FFFFFFF
    if nan:
        return sign | 31 << 10 | 1 << 9 | x >> 13 & 1023
    e, m = max(x >> 23, 1), x & 0x7FFFFF | (0x800000 if x >> 23 else 0)
    # In steps of the half's last place: 2^-24 below 2^-14, else 2^(e-127-10).
    drop = 13 if e >= 113 else 13 + 113 - e
    steps = m >> drop
    rest, half = m & ((1 << drop) - 1), 1 << (drop - 1)
    steps += rest > half or rest == half and steps & 1
    steps += (e - 113) << 10 if e >= 113 else 0
    return sign | min(steps, 31 << 10)


def casts(frm, to):
    return frm != to and frm in FLOATS and to in FLOATS


def cast(data, frm, to):
    w, v = NUMBERS[frm][0], NUMBERS[to][0]
    out = bytearray()
    for i in range(0, len(data) // w * w, w):
        out += narrow(widen(int.from_bytes(data[i:i + w], "little"), frm), to).to_bytes(v, "little")
    return out


# --- numbers


class Number:
    def __init__(self, dtype):
        self.width, self.low, self.ebits, self.kind = NUMBERS[dtype]
        self.bits = 8 * self.width
        self.top = 1 << self.bits - 1
        self.all = (1 << self.bits) - 1

    def order(self, x):
        if self.kind == "f" and x & self.top:
            return x ^ self.all
        return x if self.kind == "u" else x ^ self.top

    def unorder(self, x):
        if self.kind == "f" and not x & self.top:
            return x ^ self.all
        return x if self.kind == "u" else x ^ self.top

    def walk(self, base, z):
        return self.unorder((self.order(base) + unzigzag(z)) & self.all)

    def depth(self, base, top):
        if self.kind != "f":
            return 0
        return min(31, max(0, top - (base >> self.low & (1 << self.ebits) - 1)))

    def elements(self, data):
        return [int.from_bytes(data[i:i + self.width], "little") for i in range(0, len(data), self.width)]

    def bytes(self, elements):
        return b"".join(x.to_bytes(self.width, "little") for x in elements)


# --- the adaptive coder


class Model:
    def __init__(self):
        self.p, self.seen = 1 << 15, 0


def models(n):
    return [Model() for _ in range(n)]


class Ints:
    def __init__(self):
        self.length, self.top = models(33), models(33)


class Adaptive:
    def __init__(self, src):
        self.src, self.at, self.size, self.code = src, 0, 2**32 - 1, 0
        for _ in range(4):
            self.code = self.code << 8 | self.next()

    def next(self):
        self.at += 1
        return self.src[self.at - 1] if self.at <= len(self.src) else 0

    def bit(self, m):
        bound = (self.size >> 16) * m.p
        b = int(self.code >= bound)
        if b:
            self.code -= bound
            self.size -= bound
        else:
            self.size = bound
        share = (1 << 16) // (m.seen + 2)
        m.seen = min(m.seen + 1, 60)
        m.p += -(m.p * share >> 16) if b else (2**16 - m.p) * share >> 16
        m.p = min(max(m.p, 32), 2**16 - 32)
        while self.size < 1 << 24:
            self.size <<= 8
            self.code = self.code << 8 | self.next()
        return b

    def raw(self, n):
        x = 0
        for _ in range(n):
            self.size >>= 1
            b = int(self.code >= self.size)
            self.code -= b * self.size
            x = x << 1 | b
            if self.size < 1 << 24:
                self.size <<= 8
                self.code = self.code << 8 | self.next()
        return x

    def int(self, m):
        n = 0
        while n < 32 and self.bit(m.length[n]):
            n += 1
        if n == 0:
            return 0
        return (1 << n) - 1 + (self.bit(m.top[n]) << n - 1) + self.raw(n - 1) & 2**32 - 1

    def step(self, length, second):
        k = 0
        while k < 32 and self.bit(length[k]):
            k += 1
        if k == 0:
            return 0
        m = 1
        if k > 1:
            m = 2 + self.bit(second[k])
            m = (m << k - 2) + self.raw(k - 2)
        return 2 * m - self.raw(1) & 2**32 - 1

    def end(self):
        assert len(self.src) <= self.at <= len(self.src) + 4, "adaptive coding does not end where it should"


# --- streams


class Words:
    def __init__(self, src, size):
        self.src, self.at, self.size = src, 0, size

    def next(self):
        assert self.at + self.size <= len(self.src), "out of words"
        self.at += self.size
        return int.from_bytes(self.src[self.at - self.size:self.at], "little")

    def end(self):
        assert self.at == len(self.src), "words are left"


class Stack:
    """Bits, of which the last come first."""

    def __init__(self, src):
        self.src, self.at, self.have, self.acc, self.open = src, len(src), 0, 0, False

    def pop(self, n):
        if n and not self.open:
            self.at, self.open = self.at - 1, True
            self.have = self.src[self.at].bit_length() - 1
            self.acc = self.src[self.at] - (1 << self.have)
        while self.have < n:
            self.at -= 1
            self.acc, self.have = self.acc << 8 | self.src[self.at], self.have + 8
        self.have -= n
        x, self.acc = self.acc >> self.have, self.acc & (1 << self.have) - 1
        return x


LOGISTIC = [
    0, 3683, 7342, 10955, 14502, 17961, 21315, 24549, 27650, 30607, 33412, 36062,
    38552, 40883, 43057, 45075, 46943, 48667, 50253, 51707, 53038, 54254, 55361, 56368,
    57282, 58110, 58860, 59538, 60150, 60702, 61199, 61647, 62050, 62412, 62737, 63029,
    63292, 63527, 63738, 63927, 64096, 64248, 64384, 64505, 64614, 64712, 64799, 64877,
    64947, 65009, 65065, 65115, 65160, 65200, 65235, 65267, 65296, 65321, 65344, 65364,
    65383, 65399, 65414, 65427, 65438, 65449, 65458, 65466, 65474, 65480, 65486, 65491,
    65496, 65500, 65504, 65508, 65511, 65513, 65516, 65518, 65520, 65522,
]


def short_table(c):
    """Returns step, frequency and place in its range for each slot; step None is the escape."""
    def within(m):
        edge = (2 * m + 1) * (16384, 11585)[c % 2] >> c // 2
        i = edge >> 8
        if i >= len(LOGISTIC) - 1:
            return LOGISTIC[-1]
        return LOGISTIC[i] + ((LOGISTIC[i + 1] - LOGISTIC[i]) * (edge & 255) >> 8)

    out, z = [], 0
    while z < 255:
        part = within(z // 2)
        if z % 2:
            part = (part + within(z // 2 + 1)) // 2
        end = (part * 1023 + 32768) >> 16
        if z < 3:
            end = max(end, len(out) + 1)
        f = end - len(out)
        if f == 0:
            break
        out += [(z, f, i) for i in range(f)]
        z += 1
    f = 1024 - len(out)
    return out + [(None, f, i) for i in range(f)]


SHORT = [short_table(c) for c in range(14)]


def slots(freqs):
    out = []
    for s, f in enumerate(freqs):
        out += [(s, f, i) for i in range(f)]
    return out


def lane_symbols(src, lanes, contexts, tables):
    """Returns the symbol and the value of the raw bits, for each context. A table
    is its bits, its slots, and the raw bits of each symbol."""
    state = [int.from_bytes(src[4 * i:4 * i + 4], "little") for i in range(lanes)]
    assert all(1 << 15 <= x < 1 << 31 for x in state)
    words = Words(src[4 * lanes:], 2)
    out = []

    def low(j, x):
        state[j] = x << 16 | words.next() if x < 1 << 15 else x

    for first in range(0, len(contexts), lanes):
        part = contexts[first:first + lanes]
        got, left = [], []
        for j, c in enumerate(part):
            x = state[j]
            bits, table, raw = tables[c]
            s, f, i = table[x & (1 << bits) - 1]
            x = f * (x >> bits) + i
            n = min(raw[s], 15 - bits)
            got.append([s, x & (1 << n) - 1])
            left.append([n, raw[s]])
            low(j, x >> n)
        for _ in range(2):
            for j, g in enumerate(got):
                done, raw = left[j]
                n = min(raw - done, 15)
                if n > 0:
                    x = state[j]
                    g[1] |= (x & (1 << n) - 1) << done
                    left[j][0] += n
                    low(j, x >> n)
        out += got
    assert all(x == 1 << 15 for x in state), "states do not end where they should"
    words.end()
    return out


def read_table(src):
    at = 0

    def bit():
        nonlocal at
        at += 1
        return src[at - 1 >> 3] >> (at - 1 & 7) & 1

    def gamma():
        m = 0
        while not bit():
            m += 1
        x = 1
        for _ in range(m):
            x = x << 1 | bit()
        return x

    b = sum(bit() << i for i in range(4))
    freqs, s, left = [0] * 256, 0, 1 << b
    while left > 0:
        f = gamma() - 1
        freqs[s] = f << 12 - b
        left -= f
        s += 1
        if f == 0:
            s += gamma() - 1
    return b, freqs, src[at + 7 >> 3:]


def rans(src, n):
    _, freqs, src = read_table(src)
    table = slots(freqs)
    k = 4 if n >= 2048 else 1
    state = [int.from_bytes(src[8 * i:8 * i + 8], "little") for i in range(k)]
    words, out = Words(src[8 * k:], 4), bytearray()
    while len(out) < n:
        count = min(2 * k, n - len(out))
        for j in range(count):
            x = state[j % k]
            s, f, i = table[x & 4095]
            out.append(s)
            state[j % k] = f * (x >> 12) + i
        for j in range(min(k, count)):
            if state[j] < 1 << 31:
                state[j] = state[j] << 32 | words.next()
    assert all(x == 1 << 31 for x in state)
    words.end()
    return bytes(out)


def lane_bytes(src, n):
    b, freqs, src = read_table(src)
    assert b == 12
    lanes = 4 if n < 2048 else 16 if n < 16384 else 32 if n < 49152 else 64
    return bytes(s for s, _ in lane_symbols(src, lanes, [0] * n, [(12, slots(freqs), [0] * 256)]))


def lane_byte(src, n):
    _, freqs, src = read_table(src)
    return bytes(s for s, _ in lane_symbols(src, 1, [0] * n, [(12, slots(freqs), [0] * 256)]))


def gap_bytes(src, n):
    a, counts, gaps, values = Adaptive(src), Ints(), Ints(), Ints()
    out, at = bytearray(n), 0
    for _ in range(a.int(counts)):
        at += a.int(gaps)
        out[at] = a.int(values) + 1
        at += 1
    a.end()
    return bytes(out)


# --- methods


def plane(body, at, n):
    """Returns the plane of n bytes that begins at body[at], and where it ends."""
    coding, at = body[at], at + 1
    if coding == 0:
        return body[at:at + n], at + n
    if coding == 1:
        return body[at:at + 1] * n, at + 1
    if coding == 6:
        mask, at, each = body[at], at + 1, (n + 7) // 8
        bits = [b for b in range(8) if not mask >> b & 1]
        raw = [(b, body[at + i * each:at + (i + 1) * each]) for i, b in enumerate(bits)]
        at += len(bits) * each
        assert bits and body[at] != 6
        p, at = plane(body, at, n)
        return bytes(x | sum((r[i // 8] >> i % 8 & 1) << b for b, r in raw) for i, x in enumerate(p)), at
    length, at = uvarint(body, at)
    if coding == 2:
        raise Zstd
    return {3: rans, 4: lane_bytes, 5: lane_byte, 7: gap_bytes}[coding](body[at:at + length], n), at + length


# --- low rank


def float32(x):
    """Returns the bits of x as single precision has it."""
    try:
        return int.from_bytes(struct.pack("<f", x), "little")
    except OverflowError:
        return (0x80000000 if x < 0 else 0) | 255 << 23


def value(bits):
    return struct.unpack("<f", bits.to_bytes(4, "little"))[0]


def lanes_for(n):
    return 4 if n < 2048 else 16 if n < 16384 else 32 if n < 49152 else 64


def factors(src, levels):
    """Returns a factor for each of levels."""
    length, at = uvarint(src, 0)
    a = Adaptive(src[at:at + length])
    of, tables, heads = Decoder.tables(a, 16)
    a.end()
    got = lane_symbols(src[at + length:], lanes_for(len(levels)), levels, [tables[t] for t in of])
    steps = [(heads[of[c]][s] << tables[of[c]][2][s]) + v - 1 & 65535 for c, (s, v) in zip(levels, got)]
    assert max(steps) <= 2 * 16383
    return [unzigzag(z) for z in steps]


class Side:
    def __init__(self, src):
        kind, self.rank, self.scale = src[0], src[1], src[2] - (src[2] >> 7 << 8)
        assert kind == 1 and 1 <= self.rank <= 64 and -32 <= self.scale <= 96
        self.columns, at = uvarint(src, 3)
        assert 1 <= self.columns <= 65536 and self.rank * self.columns <= 1 << 20
        shifts, self.levels = src[at:at + 2 * self.rank:2], src[at + 1:at + 2 * self.rank:2]
        assert max(shifts) <= 14 and max(self.levels) < 64
        all_ = factors(src[at + 2 * self.rank:], [c for c in self.levels for _ in range(self.columns)])
        all_ = [f << shifts[i // self.columns] for i, f in enumerate(all_)]
        assert all(abs(f) < 1 << 15 for f in all_)
        self.of = [all_[k * self.columns:(k + 1) * self.columns] for k in range(self.rank)]
        self.most = [max(map(abs, f)) for f in self.of]


class Decoder:
    def __init__(self, dtype, offset, bases, side=b""):
        self.dtype, self.offset, self.bases, self.side = dtype, offset, bases, side

    def base(self, i, size, width):
        dtype, spans = self.bases[i]
        out = bytearray(size)
        head = min(size, -self.offset % width)
        for at, data in spans:
            if casts(dtype, self.dtype):
                if at < head or (at - head) % width:
                    continue
                data = cast(data, dtype, self.dtype)
            if at < 0:
                data, at = data[-at:], 0
            data = data[:max(0, size - at)]
            out[at:at + len(data)] = data
        return bytes(out)

    def frame(self, body, size):
        method, body = body[0], body[1:]
        if method == 0:
            return body
        if method == 1:
            return self.base(body[0], size, NUMBERS.get(self.dtype, (1,))[0])
        if method == 2:
            return (body * size)[:size]
        if method == 3:
            raise Zstd
        if method == 4:
            return self.planes(body, size, None)
        if method == 5:
            width = NUMBERS.get(self.dtype, (1,))[0]
            return self.planes(body[1:], size, self.base(body[0], size, width))
        if method == 6:
            return self.segments(body, size)
        return {7: self.delta, 8: self.short, 9: self.sparse, 10: self.low_rank}[method](body, size)

    def segments(self, body, size):
        out, at = b"", 0
        while at < len(body):
            n, at = uvarint(body, at)
            length, at = uvarint(body, at)
            first = len(out)
            bases = [(d, self.within(d, spans, first, first + n)) for d, spans in self.bases]
            out += Decoder(self.dtype, self.offset + first, bases, self.side).frame(body[at:at + length], n)
            at += length
        return out

    def within(self, dtype, spans, start, end):
        """Returns the part of spans that is for leaf bytes [start, end)."""
        if not casts(dtype, self.dtype):
            return [(at - start, data) for at, data in spans]
        out, w, v = [], NUMBERS[self.dtype][0], NUMBERS[dtype][0]
        for at, data in spans:  # whole elements only
            skip = -(-max(0, start - at) // w)
            n = min((end - at) // w, len(data) // v) - skip
            if n > 0:
                out.append((at + skip * w - start, data[skip * v:(skip + n) * v]))
        return out

    def planes(self, body, size, base):
        layout, w = body[0], LAYOUT_WIDTH[body[0]]
        head = min(size, -self.offset % w)
        tail = (size - head) % w
        n, at = (size - head - tail) // w, 1 + head + tail
        edges = body[1:at]
        planes = []
        for _ in range(w):
            p, at = plane(body, at, n)
            planes.append(p)
        assert at == len(body)
        out = bytearray(edges[:head])
        sign = {4: 7, 5: 23, 6: 52}.get(layout)
        for i in range(n):
            x = int.from_bytes(bytes(p[i] for p in planes), "big")
            if sign is not None:
                x = (x >> sign + 1 << sign) | (x >> sign & 1) << 8 * w - 1 | x & (1 << sign) - 1
            out += x.to_bytes(w, "little")
        out += edges[head:]
        return bytes(a ^ b for a, b in zip(out, base)) if base is not None else bytes(out)

    def start(self, body, size):
        """Returns number, base, the place after the edges, and leaf with edges done."""
        n = Number(self.dtype)
        base = self.base(body[0], size, n.width)
        head = min(size, -self.offset % n.width)
        return n, base, head, (size - head) % n.width

    def wrap(self, edges, base, head, tail, middle):
        size = len(base)
        first = bytes(a ^ b for a, b in zip(edges[:head], base))
        last = bytes(a ^ b for a, b in zip(edges[head:], base[size - tail:]))
        return first + middle + last

    def short(self, body, size):
        n, base, head, tail = self.start(body, size)
        scale, at = int.from_bytes(body[1:2], "little", signed=True), 2
        top, at = (body[2], 3) if n.kind == "f" else (0, 2)
        assert -62 <= scale <= 63
        edges, src = body[at:at + head + tail], body[at + head + tail:]
        elements = n.elements(base[head:size - tail])
        lanes = 1 if len(elements) < 128 else 2
        state = [int.from_bytes(src[4 * i:4 * i + 4], "little") for i in range(lanes)]
        assert all(1 << 15 <= x < 1 << 31 for x in state)
        words, raws, out = Words(src[4 * lanes:], 2), Stack(src[4 * lanes:]), []
        for i, b in enumerate(elements):
            c = min(63, max(0, scale + 2 * n.depth(b, top)))
            raw, c = (0, c) if c < 12 else ((c - 12) // 2, 12 + c % 2)
            x = state[i % lanes]
            z, f, k = SHORT[c][x & 1023]
            x = f * (x >> 10) + k
            state[i % lanes] = x << 16 | words.next() if x < 1 << 15 else x
            z = raws.pop(n.bits) if z is None else z << raw | raws.pop(raw)
            out.append(n.walk(b, z & n.all))
        assert all(x == 1 << 15 for x in state) and not raws.have and raws.at == words.at
        return self.wrap(edges, base, head, tail, n.bytes(out))

    def sparse(self, body, size):
        n, base, head, tail = self.start(body, size)
        edges, a = body[1:1 + head + tail], Adaptive(body[1 + head + tail:])
        out = n.elements(base[head:size - tail])
        counts, gaps, length, second = Ints(), Ints(), models(33), models(33)
        at = 0
        for _ in range(a.int(counts)):
            at += a.int(gaps)
            out[at] = n.walk(out[at], a.step(length, second))
            at += 1
        a.end()
        return self.wrap(edges, base, head, tail, n.bytes(out))

    def delta(self, body, size):
        n, base, head, tail = self.start(body, size)
        flags, at, row, phase = body[1], 2, 0, 0
        if flags & 28:
            row, at = uvarint(body, at)
            phase = (self.offset + head) // n.width % row
        edges, at = body[at:at + head + tail], at + head + tail
        length, at = uvarint(body, at)
        a, words = Adaptive(body[at:at + length]), body[at + length:]
        all_ = n.elements(base[head:size - tail])
        count = len(all_)
        spans = [(0, count)]
        if row:
            spans = [(max(0, r * row - phase), min(count, (r + 1) * row - phase)) for r in range(-(-(phase + count) // row))]
        still = [0] * len(spans)
        if flags & 16:
            ms, state = models(4), 0
            for r in range(len(spans)):
                still[r] = a.bit(ms[state])
                state = state << 1 & 3 | still[r]
            if still[0]:
                phase = 0
        moved = [x for r, (f, t) in enumerate(spans) if not still[r] for x in all_[f:t]]
        top = a.raw(8)
        rows = self.shifts(a, -(-(phase + len(moved)) // row)) if flags & 4 else None
        cols = self.shifts(a, row) if flags & 8 else None
        contexts = []
        for i, x in enumerate(moved):
            c = 12 + 2 * n.depth(x, top)
            c += rows[(phase + i) // row] if rows else 0
            c += cols[(phase + i) % row] if cols else 0
            contexts.append(min(63, max(0, c)))
        of, tables, heads = self.tables(a, 31 if n.width == 4 else 16)
        a.end()
        lanes = (4, 16, 32, 64)[flags & 3]
        got = lane_symbols(words, lanes, contexts, [tables[t] for t in of])
        bits = 32 if n.width == 4 else 16
        steps = [(heads[of[c]][s] << tables[of[c]][2][s]) + v - 1 & (1 << bits) - 1 for c, (s, v) in zip(contexts, got)]
        new = iter([n.walk(x, z) for x, z in zip(moved, steps)])
        out = []
        for r, (f, t) in enumerate(spans):
            out += all_[f:t] if still[r] else [next(new) for _ in range(f, t)]
        return self.wrap(edges, base, head, tail, n.bytes(out))

    def low_rank(self, body, size):
        n, base, head, tail = self.start(body, size)
        assert self.dtype == "BF16" and body[1] < 4
        lanes, at = (4, 16, 32, 64)[body[1]], 2
        edges, at = body[at:at + head + tail], at + head + tail
        side, elements = Side(self.side), n.elements(base[head:size - tail])
        phase = (self.offset + head) // 2 % side.columns
        count = -(-(phase + len(elements)) // side.columns)
        assert count * side.rank <= 1 << 20
        length, at = uvarint(body, at)
        rows, at = factors(body[at:at + length], list(side.levels) * count), at + length
        rows = [rows[i * side.rank:(i + 1) * side.rank] for i in range(count)]
        assert all(sum(abs(u) * m for u, m in zip(row, side.most)) < 1 << 31 for row in rows)
        length, at = uvarint(body, at)
        a, words = Adaptive(body[at:at + length]), body[at + length:]
        level = a.raw(10)
        of, tables, heads = self.tables(a, 16)
        a.end()

        predicted, turned, contexts = [], [], []
        for i, b in enumerate(elements):
            row, column = rows[(phase + i) // side.columns], (phase + i) % side.columns
            p = b << 16
            if b >> 7 & 255 != 255:
                total = sum(u * f[column] for u, f in zip(row, side.of))
                p = float32(value(p) + value(float32(total)) * 2.0**-side.scale)
            q = (p + 0x7FFF + (p >> 16 & 1)) >> 16
            off = p - (q << 16)
            gap = 32769 - abs(off)
            power = gap.bit_length() - 1
            near = 4 * power + (4 * gap >> power) - 4
            h = level - 2 * (p >> 23 & 255)
            far = min(3 * (h - 25), h - 25) + 22
            contexts.append(min(63, max(0, far, min(2 * h - near + 26, 22))))
            predicted.append(q)
            turned.append((off < 0) != (p >> 31 == 1))
        got = lane_symbols(words, lanes, contexts, [tables[t] for t in of])
        out = []
        for c, (s, v), q, turn in zip(contexts, got, predicted, turned):
            z = (heads[of[c]][s] << tables[of[c]][2][s]) + v - 1 & 65535
            if turn and z not in (0, 65535):
                z = (z - 1 ^ 1) + 1
            out.append(n.walk(q, z))
        return self.wrap(edges, base, head, tail, n.bytes(out))

    @staticmethod
    def shifts(a, count):
        ms, m, state, out = [Ints() for _ in range(3)], 0, 0, []
        for _ in range(count):
            z = a.int(ms[state])
            e = m + 4 >> 3
            out.append(unzigzag(z) + e)
            assert -24 <= out[-1] <= 24
            m += out[-1] - e
            state = min(z, 2)
        return out

    @staticmethod
    def tables(a, most):
        last, of, cut, ms = a.raw(6), [0], 0, models(2)
        for _ in range(last):
            cut = a.bit(ms[cut])
            of.append(of[-1] + cut)
        of += [of[-1]] * (63 - last)
        raw_ms, freq_ms, tables, all_heads = [Ints() for _ in range(3)], [Ints() for _ in range(3)], [], []
        for _ in range(of[-1] + 1):
            bits, n, last = 8 + a.raw(3), 1 + a.raw(4), a.raw(4)
            assert bits <= 12 and last < n
            raw, index, raw_state, freq_state, following = 0, 0, 0, 0, 1
            heads, raws, freqs = [], [], []
            for s in range(n):
                z = a.int(raw_ms[raw_state])
                raw, raw_state = raw + unzigzag(z), min(z, 2)
                heads.append(following >> raw)
                raws.append(raw)
                assert 0 <= raw <= most and heads[-1] < 8
                following = heads[-1] + 1 << raw
                if s == last:
                    freqs.append(0)
                    continue
                z = a.int(freq_ms[freq_state])
                index, freq_state = index + unzigzag(z), min(z, 2)
                assert 0 <= index < 48
                octave = max(index >> 3, 1) - 1
                freqs.append(index - 8 * octave << octave)
            assert sum(freqs) < 256
            rest = (1 << bits) - sum(freqs)
            table = slots(freqs) + [(last, rest, i) for i in range(rest)]
            tables.append((bits, table, raws))
            all_heads.append(heads)
        return of, tables, all_heads


def main(paths):
    vectors = []
    for path in paths:
        with open(path) as f:
            vectors += json.load(f)
    good = passed_over = 0
    for v in vectors:
        chunk, leaf = bytes.fromhex(v["chunk"]), bytes.fromhex(v["leaf"])
        bases = [(b["dtype"], [(s["at"], bytes.fromhex(s["data"])) for s in b["spans"] or []]) for b in v["bases"] or []]
        try:
            assert chunk[0] == 1
            got = Decoder(v["dtype"], v["offset"], bases, bytes.fromhex(v.get("side", ""))).frame(chunk[1:], len(leaf))
        except Zstd:
            passed_over += 1
            continue
        if got != leaf:
            sys.exit(f"{v['name']}: decodes to other bytes")
        good += 1
    print(f"{good} vectors decode, {passed_over} with zstd in them passed over")


if __name__ == "__main__":
    main(sys.argv[1:])
