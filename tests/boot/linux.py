# SPDX-License-Identifier: GPL-2.0-or-later
"""linux: a machine that runs a Linux whose words come by its serial port, driven by QMP; for the
tests that save, move and watch one.

Spec: none; QMP as docs/reference.md has it.  Omits: network.  Threads: one reads the serial port.
"""
import json, os, re, socket, subprocess, threading, time

COMPLAINT = re.compile(
    r"BAD .*|.*(?:Oops|BUG:|soft lockup|rcu.*stall|hung_task|blocked for more than|I/O error"
    r"|EXT4-fs (?:error|warning)|JBD2.*error|ata\d.*(?:exception|failed command)"
    r"|clocksource.*(?:unstable|skew)|WARNING: CPU|unknown NMI|lost ?interrupt"
    r"|segfault|trap invalid opcode|general protection).*")


def complaints_in(text, known=""):
    found = [c.group(0).strip() for c in COMPLAINT.finditer(text)]
    return [c for c in found if not known or not re.search(known, c)]


class Machine:
    """`program` with `args`, in folder `d`; die(why) is called when it does what it must not.
    `all` are all that were started."""
    all = []
    poll = 0.02

    def __init__(self, program, args, d, die):
        self.d, self.die, self.text = d, die, ""
        Machine.all.append(self)
        sock = f"{d}/s{len(Machine.all)}"
        self.p = subprocess.Popen(
            [program, *args, "-display", "none", "-no-reboot", "-serial", "stdio",
             "-monitor", "none", "-qmp", f"unix:{sock},server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=d)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        while True:
            try:
                self.s = socket.socket(socket.AF_UNIX)
                self.s.connect(sock)
                break
            except OSError:
                if self.p.poll() is not None:
                    self.die(f"ended with {self.p.returncode}: {self.text[-300:]}")
                time.sleep(0.02)
        self.s.settimeout(900)
        self.f = self.s.makefile("rb")
        self.f.readline()
        self.cmd("qmp_capabilities")

    def read(self):
        while data := os.read(self.p.stdout.fileno(), 65536):
            self.text += data.decode("utf-8", "replace").replace("\r", "")

    def cmd(self, command, **args):
        self.s.sendall(json.dumps({"execute": command, "arguments": args}).encode() + b"\n")
        while True:
            m = json.loads(self.f.readline() or '{"error": "the monitor is gone"}')
            if "event" not in m:
                return m

    def hmp(self, line):
        return self.cmd("human-monitor-command", **{"command-line": line}).get("return")

    def type(self, line):
        self.p.stdin.write(line.encode() + b"\n")
        self.p.stdin.flush()

    def wait(self, pattern, since=0, limit=900):
        end = time.time() + limit
        while not re.search(pattern, self.text[since:], re.M):
            if time.time() > end or self.p.poll() is not None:
                self.die(f"no {pattern!r}: {self.text[-400:]!r}")
            time.sleep(self.poll)

    def migrate(self, compress="none"):
        """To file m."""
        self.cmd("migrate", uri=f"file:{self.d}/m", compress=compress)
        while (q := self.cmd("query-migrate").get("return", {})).get("status") not in (
                "completed", "failed"):
            time.sleep(0.005)
        if q["status"] != "completed":
            self.die(q)

    def threads(self):
        """Name and folder of each."""
        for t in os.listdir(f"/proc/{self.p.pid}/task"):
            task = f"/proc/{self.p.pid}/task/{t}/"
            try:
                yield open(task + "comm").read().strip(), task
            except OSError:             # it has ended meanwhile
                pass

    def waited(self):
        """For how long a vCPU could run and had no processor of the host: a stall in the guest may
        be that."""
        return max((int(open(task + "schedstat").read().split()[1]) / 1e9
                    for name, task in self.threads() if name.startswith("cpu ")), default=0)

    def cpu_s(self):
        """CPU time of the whole process."""
        fields = open(f"/proc/{self.p.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.cmd("quit")
        self.p.wait(60)
        self.reader.join()
