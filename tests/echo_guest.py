# SPDX-License-Identifier: GPL-2.0-or-later
"""echo_guest: a boot sector that echoes what is typed, to its screen and to port 0xe9, for tests that drive a viewer; Ctrl-G makes the
screen one of graphics, Ctrl-T one of text, Ctrl-L lights the keyboard's Caps Lock.  And what such tests have in common."""
import os, socket, subprocess, time

RYOKAN = os.environ.get("R") or os.path.abspath(__file__ + "/../emulator")
BOOT = r"""
	.code16
start:	ljmp $0, $1f + 0x7c00
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $0x03, %ax
	int $0x10
	mov $'!', %al
	out %al, $0xe9
2:	xor %ax, %ax
	int $0x16
	out %al, $0xe9
	mov $0x13, %cx
	cmp $7, %al
	je 3f
	mov $3, %cl
	cmp $20, %al
	je 3f
	cmp $12, %al
	je 4f
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp 2b
3:	mov %cx, %ax
	int $0x10
	jmp 2b
4:	mov $0xed, %al
	call 5f
	mov $4, %al
	call 5f
	jmp 2b
5:	out %al, $0x60
6:	in $0x64, %al
	test $2, %al
	jnz 6b
	ret
	.org 510
	.word 0xaa55
"""


def done(name, ok, why=""):
    print(f"ok {name}" if ok else f"not ok {name}: {why}", flush=True)
    return ok


def wait(what, seconds=40):
    """what()'s first true value, or None."""
    until = time.time() + seconds
    while time.time() < until:
        v = what()
        if v:
            return v
        time.sleep(0.2)
    return None


def port():
    """A TCP port that is free, above 6000, so that less 5900 it is a VNC display."""
    while True:
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        n = s.getsockname()[1]
        s.close()
        if n > 6000:
            return n


class Guest:
    def __init__(self, d, *args, env=None, stdin=subprocess.DEVNULL):
        self.out, self.err = d + "/typed", d + "/err"
        if not os.path.exists(d + "/boot"):
            with open(d + "/boot.s", "w") as f:
                f.write(BOOT)
            subprocess.check_call(["as", "--32", "-o", d + "/boot.o", d + "/boot.s"])
            subprocess.check_call(["objcopy", "-O", "binary", "-j", ".text", d + "/boot.o", d + "/boot"])
        if os.path.exists(self.out):
            os.unlink(self.out)
        self.p = subprocess.Popen([RYOKAN, "-nic", "none", "-m", "16", "-boot", "a", "-fda", d + "/boot", "-debugcon", "file:" + self.out, *args],
                                  env=env, stdin=stdin, stdout=subprocess.DEVNULL, stderr=open(self.err, "w"))

    def typed(self):
        try:
            with open(self.out, "rb") as f:
                return f.read()
        except OSError:
            return b""

    def started(self):
        return wait(lambda: b"!" in self.typed())

    def why(self):
        with open(self.err) as f:
            return f"status {self.p.poll()}: {f.read()[:200]}"

    def end(self):
        self.p.terminate()
        self.p.wait()
