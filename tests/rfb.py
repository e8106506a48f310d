# SPDX-License-Identifier: GPL-2.0-or-later
"""rfb: a VNC client for tests (RFC 6143, and the RFB community specification for what came later): the raw, hextile, zlib, tight and
ZRLE encodings, resizing, QEMU's key, LED and pointer messages, VNC authentication by a DES of its own, VeNCrypt."""
import socket, ssl, struct, time, zlib

RAW, HEXTILE, ZLIB, TIGHT, ZRLE = 0, 5, 6, 7, 16
SIZE, LAST, EXT_SIZE, POINTER, EXT_KEY, LED = -223, -224, -308, -257, -258, -261


def keysym(name):
    named = {"Return": 0xff0d, "Ctrl": 0xffe3, "Alt": 0xffe9, "Shift": 0xffe1, "Up": 0xff52, "PageUp": 0xff55, "BackSpace": 0xff08}
    return named.get(name) or (ord(name) if ord(name) < 256 else 0x1000000 + ord(name))


# ---- VNC authentication (RFC 6143, 7.2.2): DES (FIPS 46-3), each key byte's bits reversed ----
IP = [(7 - i % 8) * 8 + (2 * (i // 8) + 1 if i < 32 else 2 * (i // 8 - 4)) for i in range(64)]
FP = [IP.index(i) for i in range(64)]
E = [(i // 6 * 4 + i % 6 + 31) % 32 for i in range(48)]
P = [15, 6, 19, 20, 28, 11, 27, 16, 0, 14, 22, 25, 4, 17, 30, 9, 1, 7, 23, 13, 31, 26, 2, 8, 18, 12, 29, 5, 21, 10, 3, 24]
PC1 = [56, 48, 40, 32, 24, 16, 8, 0, 57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35,
       62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 60, 52, 44, 36, 28, 20, 12, 4, 27, 19, 11, 3]
PC2 = [13, 16, 10, 23, 0, 4, 2, 27, 14, 5, 20, 9, 22, 18, 11, 3, 25, 7, 15, 6, 26, 19, 12, 1,
       40, 51, 30, 36, 46, 54, 29, 39, 50, 44, 32, 47, 43, 48, 38, 55, 33, 52, 45, 41, 49, 35, 28, 31]
S = ["e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d", "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
     "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c", "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
     "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453", "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
     "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c", "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b"]


def des(key, block):
    k = [b >> i & 1 for b in key for i in range(8)]
    b = [v >> i & 1 for v in block for i in range(7, -1, -1)]
    cd, lr = [k[i] for i in PC1], [b[i] for i in IP]
    left, right = lr[:32], lr[32:]
    for n in range(16):
        for _ in range(1 if n in (0, 1, 8, 15) else 2):
            cd = cd[1:28] + cd[:1] + cd[29:] + cd[28:29]
        x = [right[e] ^ cd[PC2[at]] for at, e in enumerate(E)]
        f = []
        for i in range(8):
            v = x[6 * i:6 * i + 6]
            at = (v[0] << 1 | v[5]) * 16 + (v[1] << 3 | v[2] << 2 | v[3] << 1 | v[4])
            f += [int(S[i][at], 16) >> j & 1 for j in range(3, -1, -1)]
        left, right = right, [v ^ f[P[i]] for i, v in enumerate(left)]
    out = right + left
    return bytes(int("".join(str(out[i]) for i in FP[j:j + 8]), 2) for j in range(0, 64, 8))


def respond(r, text):
    key, challenge = text.encode()[:8].ljust(8, b"\0"), r.take(16)
    r.s.sendall(des(key, challenge[:8]) + des(key, challenge[8:]))


def password(text):
    def do(r, types):
        assert types == [2], types
        r.s.sendall(b"\2")
        respond(r, text)
    return do


def vencrypt(kind, context, text=None):
    """VeNCrypt 0.2, that kind of it alone: 257 TLSNone, 258 TLSVnc, 260 X509None, 261 X509Vnc."""
    def do(r, types):
        assert types == [19], types
        r.s.sendall(b"\x13")
        assert r.take(2) == b"\0\2"
        r.s.sendall(b"\0\2")
        assert r.take(1) == b"\0"
        kinds = [r.u32() for _ in range(r.take(1)[0])]
        assert kinds == [kind], kinds
        r.s.sendall(struct.pack(">I", kind))
        assert r.take(1) == b"\1"
        r.s = context.wrap_socket(r.s, server_hostname="localhost")
        if text is not None:
            respond(r, text)
    return do


class Rfb:
    def __init__(self, address, encodings=(RAW, SIZE), security=None, timeout=20, sock=None, shared=1):
        """security(self, types): picks one and does it; None: type 1."""
        self.s = sock or (socket.create_connection(address, timeout) if isinstance(address, tuple) else socket.socket(socket.AF_UNIX))
        if not sock and not isinstance(address, tuple):
            self.s.connect(address)
        self.s.settimeout(timeout)
        self.zlib, self.zrle, self.tight = zlib.decompressobj(), zlib.decompressobj(), [zlib.decompressobj() for _ in range(4)]
        self.leds, self.ext_key, self.absolute, self.cut, self.screens, self.kinds = None, False, None, None, None, set()
        assert self.take(12)[:4] == b"RFB "
        self.s.sendall(b"RFB 003.008\n")
        n = self.take(1)[0]
        types = list(self.take(n)) if n else []
        if security:
            security(self, types)
        else:
            assert 1 in types, types
            self.s.sendall(b"\1")
        if self.u32():
            raise PermissionError(self.take(self.u32()).decode())
        self.s.sendall(bytes([shared]))
        self.width, self.height = struct.unpack(">HH", self.take(4))
        self.format = self.take(16)
        self.name = self.take(self.u32()).decode()
        self.fb = bytearray(self.width * self.height * 4)
        self.s.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.encode(encodings)

    def encode(self, encodings):
        self.s.sendall(struct.pack(">BxH", 2, len(encodings)) + b"".join(struct.pack(">i", e) for e in encodings))

    def take(self, n):
        out = b""
        while len(out) < n:
            got = self.s.recv(n - len(out))
            if not got:
                raise EOFError(f"closed after {len(out)} of {n} bytes")
            out += got
        return out

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    # ---- what is sent ----
    def ask(self, more=True):
        self.s.sendall(struct.pack(">BBHHHH", 3, more, 0, 0, self.width, self.height))

    def key(self, sym, down):
        self.s.sendall(struct.pack(">BBxxI", 4, down, sym))

    def press(self, *names):
        for n in names:
            self.key(keysym(n), 1)
        for n in reversed(names):
            self.key(keysym(n), 0)

    def type(self, text):
        for c in text:
            self.press("Return" if c == "\n" else c)

    def code(self, sym, xt, down):
        self.s.sendall(struct.pack(">BBHII", 255, 0, down, sym, xt))

    def point(self, x, y, buttons=0):
        self.s.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    # ---- what comes ----
    def put(self, x, y, w, h, px):
        assert x + w <= self.width and y + h <= self.height, (x, y, w, h, self.width, self.height)
        assert len(px) == w * h * 4
        for r in range(h):
            at = ((y + r) * self.width + x) * 4
            self.fb[at:at + w * 4] = px[r * w * 4:(r + 1) * w * 4]

    def resize(self, w, h):
        if (w, h) != (self.width, self.height):
            self.width, self.height, self.fb = w, h, bytearray(w * h * 4)

    def hextile(self, x, y, w, h):
        bg = fg = b"\0\0\0\0"
        for ty in range(0, h, 16):
            for tx in range(0, w, 16):
                tw, th, sub = min(16, w - tx), min(16, h - ty), self.take(1)[0]
                if sub & 1:
                    self.put(x + tx, y + ty, tw, th, self.take(tw * th * 4))
                    continue
                bg = self.take(4) if sub & 2 else bg
                fg = self.take(4) if sub & 4 else fg
                tile = [[bg] * tw for _ in range(th)]
                for _ in range(self.take(1)[0] if sub & 8 else 0):
                    c = self.take(4) if sub & 16 else fg
                    a, b = self.take(2)
                    for r in range(a & 15, (a & 15) + (b & 15) + 1):
                        for k in range(a >> 4, (a >> 4) + (b >> 4) + 1):
                            tile[r][k] = c
                self.put(x + tx, y + ty, tw, th, b"".join(b"".join(r) for r in tile))

    def zrle_tiles(self, x, y, w, h):
        d, at = self.zrle.decompress(self.take(self.u32())), 0

        def run():
            nonlocal at
            n = 1
            while d[at] == 255:
                n, at = n + 255, at + 1
            n, at = n + d[at], at + 1
            return n
        for ty in range(0, h, 64):
            for tx in range(0, w, 64):
                tw, th, sub = min(64, w - tx), min(64, h - ty), d[at]
                at += 1
                n = tw * th
                palette = sub & 127 if sub not in (0, 128) else 0
                colours = [d[at + 3 * i:at + 3 * i + 3] + b"\0" for i in range(palette)]
                at += 3 * palette
                px = []
                if sub == 0:
                    px = [d[at + 3 * i:at + 3 * i + 3] + b"\0" for i in range(n)]
                    at += 3 * n
                elif sub == 1:
                    px = colours * n
                elif sub < 128:
                    bits = 1 if palette == 2 else 2 if palette <= 4 else 4
                    line = (tw * bits + 7) // 8
                    for r in range(th):
                        for k in range(tw):
                            b = d[at + r * line + k * bits // 8]
                            px.append(colours[b >> (8 - bits - k * bits % 8) & ((1 << bits) - 1)])
                    at += line * th
                elif sub == 128:
                    while len(px) < n:
                        c = d[at:at + 3] + b"\0"
                        at += 3
                        px += [c] * run()
                else:
                    while len(px) < n:
                        i = d[at]
                        at += 1
                        px += [colours[i & 127]] * (run() if i & 128 else 1)
                self.put(x + tx, y + ty, tw, th, b"".join(px))
        assert at == len(d), (at, len(d))

    def length(self):
        n = shift = 0
        while True:
            b = self.take(1)[0]
            n |= (b & 127 if shift < 14 else b) << shift
            shift += 7
            if b < 128 or shift > 14:
                return n

    def tight_data(self, stream, n):
        if n < 12:
            return self.take(n)
        return self.tight[stream].decompress(self.take(self.length()))

    def tight_rect(self, x, y, w, h):
        bgrx = lambda rgb: rgb[2:3] + rgb[1:2] + rgb[0:1] + b"\0"
        c = self.take(1)[0]
        for i in range(4):
            if c >> i & 1:
                self.tight[i] = zlib.decompressobj()
        kind = c >> 4
        if kind == 8:
            self.put(x, y, w, h, bgrx(self.take(3)) * (w * h))
            return
        assert kind < 8, "JPEG was not asked for"
        what = self.take(1)[0] if kind & 4 else 0
        if what == 1:
            n = self.take(1)[0] + 1
            colours = [bgrx(self.take(3)) for _ in range(n)]
            line = (w + 7) // 8 if n == 2 else w
            d = self.tight_data(kind & 3, line * h)
            px = [colours[d[r * line + k // 8] >> (7 - k % 8) & 1 if n == 2 else d[r * line + k]] for r in range(h) for k in range(w)]
        else:
            assert what == 0, what
            d = self.tight_data(kind & 3, 3 * w * h)
            px = [bgrx(d[i:i + 3]) for i in range(0, len(d), 3)]
        self.put(x, y, w, h, b"".join(px))

    def rectangle(self):
        x, y, w, h, kind = struct.unpack(">HHHHi", self.take(12))
        self.kinds.add(kind)
        if kind == RAW:
            self.put(x, y, w, h, self.take(w * h * 4))
        elif kind == HEXTILE:
            self.hextile(x, y, w, h)
        elif kind == ZLIB:
            self.put(x, y, w, h, self.zlib.decompress(self.take(self.u32())))
        elif kind == TIGHT:
            self.tight_rect(x, y, w, h)
        elif kind == ZRLE:
            self.zrle_tiles(x, y, w, h)
        elif kind == SIZE:
            self.resize(w, h)
        elif kind == EXT_SIZE:
            n = self.take(4)[0]
            self.screens = (x, y, [struct.unpack(">IHHHHI", self.take(16)) for _ in range(n)])
            if y == 0:
                self.resize(w, h)
        elif kind == EXT_KEY:
            self.ext_key = True
        elif kind == POINTER:
            self.absolute = bool(x)
        elif kind == LED:
            self.leds = self.take(1)[0]
        elif kind == LAST:
            return False
        else:
            raise ValueError(f"encoding {kind}")
        return True

    def message(self):
        """One message of the server; its kind."""
        kind = self.take(1)[0]
        if kind == 0:
            for _ in range(struct.unpack(">xH", self.take(3))[0]):
                if not self.rectangle():
                    break
        elif kind == 3:
            self.take(3)
            n = struct.unpack(">i", self.take(4))[0]
            self.cut = self.take(abs(n))
        elif kind != 2:
            raise ValueError(f"message {kind}")
        return kind

    def update(self, more=True):
        self.ask(more)
        while self.message():
            pass

    def until(self, what, seconds=20):
        """Updates until what() is true; its value."""
        end = time.time() + seconds
        self.s.settimeout(0.3)
        try:
            while time.time() < end:
                v = what()
                if v:
                    return v
                try:
                    self.update(False)
                except socket.timeout:
                    pass
        finally:
            self.s.settimeout(20)
        return what()

    def ppm(self, path):
        rgb = bytearray(self.width * self.height * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = self.fb[2::4], self.fb[1::4], self.fb[0::4]
        with open(path, "wb") as f:
            f.write(b"P6 %d %d 255\n" % (self.width, self.height) + rgb)

    def close(self):
        self.s.close()
